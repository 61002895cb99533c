package proxy

import (
	"errors"
	"log/slog"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/proxy/outbox"
	"github.com/authwatch/authwatch/services/proxy/tracker"
)

// publisher makes events of facts and puts them into the outbox.
type publisher struct {
	source string // of the events
	outbox *outbox.Outbox
	trace  *trace.Tracer
	log    *slog.Logger
}

func newPublisher(id *identity, b *bus.Bus, m *metrics, retired func(workload string), t *trace.Tracer, log *slog.Logger) (*publisher, error) {
	p := &publisher{source: id.source(), trace: t, log: log}
	var err error
	p.outbox, err = outbox.Open(outbox.Options{
		Dir: id.dir, Publisher: b, Log: log,
		Refused: func(err error) bool { return errors.Is(err, bus.ErrRefused) },
		Acknowledged: func(e event.Event, lag time.Duration) {
			m.published.WithLabelValues(e.Type()).Inc()
			m.lag.Observe(lag.Seconds())
			p.trace.Record(publishSpan(e, time.Now()))
			if e.Type() == events.TypeRetired {
				retired(e.Subject())
			}
		},
	})
	return p, err
}

func (p *publisher) publish(f tracker.Fact) {
	o := f.Observation
	e, err := events.New(f.Type, p.source, o.Workload, f.At, o)
	if err != nil {
		p.log.Error("cannot make an event of an observation", "workload", o.Workload, "type", f.Type, "err", err)
		return
	}
	if !f.Again { // a repeated fact has no request behind it
		s := factSpan(f)
		s.Own = p.trace.Child(s.Parent)
		p.trace.Record(s)
		// Where spans are not exported, this is the traceparent of the client's request.
		events.SetTraceParent(&e, s.Own)
	}
	p.outbox.Add(e)
	p.logFact(f.Type, o)
}

// retire says that this proxy does not report on a workload any more.
func (p *publisher) retire(workload, why string) {
	o := events.Observation{Workload: workload, Detail: why}
	e, err := events.New(events.TypeRetired, p.source, workload, time.Now(), o)
	if err != nil {
		p.log.Error("cannot make an event of the end of a workload", "workload", workload, "err", err)
		return
	}
	p.outbox.Add(e)
	p.log.Info("workload is out of service", "workload", workload, "detail", why)
}

// logFact says what changed; the event holds the rest.
func (p *publisher) logFact(typ string, o events.Observation) {
	attrs := []any{"workload", o.Workload, "type", typ}
	if o.Credential != nil {
		attrs = append(attrs, "credential", o.Credential.Fingerprint, "source", o.Credential.Source)
	}
	if o.Response != nil {
		attrs = append(attrs, "status", o.Response.Status)
	}
	if o.Problem != "" {
		attrs = append(attrs, "problem", o.Problem, "detail", o.Detail)
	}
	switch typ {
	case events.TypeUnauthorized, events.TypeMissing:
		p.log.Warn("credential is not accepted", attrs...)
	default:
		p.log.Info("credential observed", attrs...)
	}
}
