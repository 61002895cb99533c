package bus

import (
	"fmt"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"

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

// Headers of a direct get's answer (JetStream ADR-31).
const (
	headerStream    = "Nats-Stream"
	headerSubject   = "Nats-Subject"
	headerSequence  = "Nats-Sequence"
	headerTimestamp = "Nats-Time-Stamp"
	headerPending   = "Nats-Num-Pending"
)

// decode reads the answer to a direct get. With ErrMalformed everything but the
// event is filled in.
func decode(m *nats.Msg, created time.Time) (Message, error) {
	sequence, err := strconv.ParseUint(m.Header.Get(headerSequence), 10, 64)
	if err != nil {
		return Message{}, fmt.Errorf("%w: answer without a sequence", ErrUnavailable)
	}
	stored, err := time.Parse(time.RFC3339Nano, m.Header.Get(headerTimestamp))
	if err != nil {
		return Message{}, fmt.Errorf("%w: answer without a time", ErrUnavailable)
	}
	out := Message{Subject: m.Header.Get(headerSubject), Sequence: sequence, Stored: stored, Created: created}
	out.Event, err = events.Unmarshal(m.Header, m.Data)
	if err != nil {
		return out, malformed(out, err)
	}
	return out, nil
}

func malformed(m Message, err error) error {
	return fmt.Errorf("%w: %s at %d: %w", ErrMalformed, m.Subject, m.Sequence, err)
}
