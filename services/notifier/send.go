package notifier

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// sender makes the attempts to send messages to one receiver.
type sender struct {
	config    receiver.Config
	receiver  receiver.Receiver
	templates receiver.Templates
	clock     clock.Clock
	log       *slog.Logger
	trace     *trace.Tracer
	link      func(workload string) string
}

func newSender(c receiver.Config, o Options) (*sender, error) {
	r, err := receiver.New(c, receiver.Options{Log: o.Log, Source: source, Now: o.clock.Now, Link: o.Config.link})
	if err != nil {
		return nil, fmt.Errorf("receiver %s: %w", c.Name, err)
	}
	templates, err := c.Templates()
	if err != nil {
		return nil, fmt.Errorf("receiver %s: %w", c.Name, err)
	}
	return &sender{config: c, receiver: r, templates: templates, clock: o.clock, log: o.Log, trace: o.Trace, link: o.Config.link}, nil
}

// deliver attempts a delivery, and records it in the traces of its workloads.
func (s *sender) deliver(ctx context.Context, d *plan.Delivery, m receiver.Message) (r plan.Result, took time.Duration) {
	if m.Trace != "" {
		m.Hop = s.trace.Child(m.Trace)
	}
	began := s.clock.Now()
	r = s.send(ctx, m)
	ended := s.clock.Now()
	for _, span := range spans(s.config, d, m, r) {
		span.Start, span.End = began, ended
		s.trace.Record(span)
	}
	return r, ended.Sub(began)
}

// send makes one attempt.
func (s *sender) send(ctx context.Context, m receiver.Message) plan.Result {
	m.Link = s.link(m.Subject())
	if err := s.templates.Render(&m); err != nil {
		s.log.Warn("template failed, the built-in text is sent", "receiver", s.config.Name, "err", err)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.config.Patience(), defaultTimeout))
	defer cancel()
	return s.receiver.Send(ctx, m)
}

// repeat is how often the receiver is told again what is open; 0: not at all.
func (s *sender) repeat() time.Duration {
	if r, ok := s.receiver.(receiver.Repeater); ok {
		return r.Repeat()
	}
	return 0
}
