package demo

import (
	"context"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// listenTo subscribes to the broker over TCP, as any other program could.
func (d *demo) listenTo(ctx context.Context) {
	b, err := bus.Connect(bus.Options{URL: "nats://" + d.addresses.NATS, Name: "demo"})
	if err != nil {
		d.tell(moment{kind: failed, text: err.Error()})
		return
	}
	defer b.Close()
	go func() { _ = b.Follow(ctx, bus.StreamAuth, "auth.>", 1, d.observation) }()
	_ = b.Follow(ctx, bus.StreamStatus, events.TypeStatusChanged+".>", 1, d.transition)
}

func (d *demo) observation(m bus.Message) error {
	o, err := events.ParseObservation(m.Event)
	if err != nil {
		return nil
	}
	text := m.Subject
	if r := o.Response; r != nil && r.Challenge != nil {
		text += "  " + r.Challenge.Error
	}
	if c := o.Credential; c != nil && c.Fingerprint != "" {
		text += "  token " + c.Fingerprint
	}
	typ := m.Event.Type()
	d.tell(moment{kind: event, key: typ, text: text, good: typ != events.TypeUnauthorized && typ != events.TypeMissing})
	return nil
}

func (d *demo) transition(m bus.Message) error {
	r, err := events.ParseStatus(m.Event)
	if err != nil {
		return nil
	}
	text := string(r.Status)
	if r.Previous != "" {
		text = string(r.Previous) + " → " + text
	}
	d.tell(moment{kind: status, key: string(r.Status), text: text, more: r.Message, good: !r.Status.Bad()})
	return nil
}
