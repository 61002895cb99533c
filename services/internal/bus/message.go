package bus

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/authwatch/authwatch/events"
)

// Message is an event as it is stored in a stream.
type Message struct {
	Event    event.Event
	Subject  string
	Sequence uint64
	Stored   time.Time // by the broker's clock
	Created  time.Time // of the stream: sequences start over when it is created anew
	// Unbroken is the sequence from which on every message of the stream was
	// delivered to this Consume, up to this one: those of its workload have been
	// handled, and need not be looked for. 0 when the message was read. Without it
	// the status service reads the stream once for each observation, which halves
	// what it takes in a second (BenchmarkObservations).
	Unbroken uint64
}

// stored is a message as the server has it.
type stored struct {
	subject  string
	header   nats.Header
	data     []byte
	sequence uint64
	at       time.Time // by the broker's clock
}

func delivered(m jetstream.Msg) (stored, *jetstream.MsgMetadata, error) {
	meta, err := m.Metadata()
	if err != nil {
		return stored{}, nil, err
	}
	return stored{m.Subject(), m.Headers(), m.Data(), meta.Sequence.Stream, meta.Timestamp}, meta, nil
}

// message decodes s. With ErrMalformed everything but the event is filled in.
func (s stored) message(created time.Time) (Message, error) {
	m := Message{Subject: s.subject, Sequence: s.sequence, Stored: s.at, Created: created}
	var err error
	if m.Event, err = events.Unmarshal(s.header, s.data); err != nil {
		err = fmt.Errorf("%w: %s at %d: %w", ErrMalformed, s.subject, s.sequence, err)
	}
	return m, err
}

// passOn decodes on all processors and passes the events on in order.
func (b *Bus) passOn(stream string, created time.Time, batch []stored, fn func(Message) error) error {
	type result struct {
		m   Message
		err error
	}
	results := make([]result, len(batch))
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(batch))
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(batch); i += workers {
				results[i].m, results[i].err = batch[i].message(created)
			}
		})
	}
	wg.Wait()
	for _, r := range results {
		if r.err != nil {
			b.skip(stream, r.err)
			continue
		}
		if err := fn(r.m); err != nil {
			return err
		}
	}
	return nil
}

// skip counts a stored message that is not an event. The consumers of the stream
// have sent it to DEAD.
func (b *Bus) skip(stream string, err error) {
	b.metrics.skipped.WithLabelValues(stream).Inc()
	b.log.Debug("message is passed over", "stream", stream, "err", err)
}
