package notifier

import (
	"context"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// change is what a worker reports: its receiver accepts messages again or no
// longer, or a delivery was given up.
type change struct {
	receiver string
	health   *receiverHealth // nil: as before
	delivery *plan.Delivery  // that was given up; nil: none
	records  []events.Record // that the delivery shows
}

// failOver acts on the changes that workers report, until the channel is closed.
// It stores the health of receivers, and lets fallbacks stand in.
func (d *dispatcher) failOver(ctx context.Context, changes <-chan change) error {
	for c := range changes {
		if c.health != nil {
			if err := d.store.put(ctx, keyReceiver+c.receiver, c.health); err != nil {
				return err
			}
			d.setHealth(c.receiver, *c.health)
		}
		d.reroute()
		if c.delivery != nil {
			d.handOver(c)
		}
	}
	return nil
}

func (d *dispatcher) setHealth(name string, h receiverHealth) {
	if h.Health == plan.Up {
		d.log.Info("receiver accepts messages again", "receiver", name)
	} else {
		d.log.Error("receiver does not accept messages", "receiver", name, "state", h.Health, "err", h.Error)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.health[name] = h
	d.announce(name, h)
}

// handOver gives the fallback a delivery about incidents that are over. Those
// that are open reach it by a route.
func (d *dispatcher) handOver(c change) {
	q := d.queues[c.receiver]
	fallback := d.queues[q.config.Fallback]
	if fallback == nil || isSelfAlert(c.delivery) || isWarning(c.delivery) || c.delivery.Members[0].Open {
		return
	}
	why, _ := q.lost("")
	fallback.takeOver(c.delivery, c.records, standInNote(c.receiver, why))
}

func (d *dispatcher) announceAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, h := range d.health {
		d.announce(name, h)
	}
}

// announce shows the health of a receiver to the others of the last route. Where
// a fallback stands in, each of its alerts says so, and nothing is announced.
// The caller holds the lock.
func (d *dispatcher) announce(name string, h receiverHealth) {
	selected := d.announceTo(name)
	for other, q := range d.queues {
		p := plan.Policy{SendResolved: q.config.WantsResolved()}
		if selected[other] {
			p.Routed, p.Repeat = true, defaultRepeatInterval
		}
		if other != name {
			q.observe(selfAlert(name, h), 0, p, "")
		}
	}
}

func (d *dispatcher) announceTo(name string) map[string]bool {
	selected := map[string]bool{}
	for next := d.queues[name].config.Fallback; next != ""; next = d.queues[next].config.Fallback {
		if _, lost := d.queues[next].lost(""); !lost {
			return selected
		}
	}
	if len(d.config.Routes) == 0 {
		return selected
	}
	for _, other := range d.config.Routes[len(d.config.Routes)-1].Receivers {
		if _, lost := d.queues[other].lost(""); !lost && other != name {
			selected[other] = true
		}
	}
	return selected
}
