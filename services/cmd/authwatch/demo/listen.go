package demo

import (
	"context"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// listenTo subscribes to the broker over TCP, as any other program could.
func (d *demo) listenTo(ctx context.Context) {
	b, err := bus.Connect(ctx, bus.Options{URL: "nats://" + d.addresses.NATS, Name: "demo"})
	if err != nil {
		d.tell(moment{kind: failed, text: err.Error()})
		return
	}
	defer b.Close()
	go d.follow(ctx, b, bus.StreamAuth, "auth.>", d.observation)
	d.follow(ctx, b, bus.StreamStatus, events.TypeStatusChanged+".>", d.transition)
}

func (d *demo) follow(ctx context.Context, b *bus.Bus, stream, filter string, fn func(bus.Message) error) {
	if err := b.Follow(ctx, stream, filter, 1, fn); err != nil && ctx.Err() == nil {
		d.tell(moment{kind: failed, text: err.Error()})
	}
}

func (d *demo) observation(m bus.Message) error {
	o, err := events.ParseObservation(m.Event)
	if err != nil {
		return err
	}
	text := m.Subject
	switch r, c := o.Response, o.Credential; {
	case r != nil && r.Challenge != nil:
		text += "  " + r.Challenge.Error
	case c != nil && c.Fingerprint != "":
		text += "  token " + c.Fingerprint
	}
	typ := m.Event.Type()
	d.tell(moment{kind: event, key: typ, text: text, good: typ != events.TypeUnauthorized && typ != events.TypeMissing})
	return nil
}

func (d *demo) transition(m bus.Message) error {
	r, err := events.ParseStatus(m.Event)
	if err != nil {
		return err
	}
	text := string(r.Status)
	if r.Previous != "" {
		text = string(r.Previous) + " → " + text
	}
	d.tell(moment{kind: status, key: string(r.Status), text: text, more: r.Message, good: !r.Status.Bad()})
	return nil
}
