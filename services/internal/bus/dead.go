package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/authwatch/authwatch/events"
)

// Headers of a dead letter. Its own headers are kept; those that NATS acts on
// get the prefix Dead-.
const (
	headerDeadReason   = "Dead-Reason"
	headerDeadStream   = "Dead-Stream"
	headerDeadSequence = "Dead-Sequence"
	headerDeadSubject  = "Dead-Subject"
)

const maxReason = 512

// DeadSubject is where a service sends what it cannot use.
func DeadSubject(service string) string { return "dead." + service }

// letter is a message that goes to DEAD.
type letter struct {
	service, stream, durable string
	stored
	created time.Time // of the stream
	why     error
}

// bury copies a message to DEAD, bytes and headers as they came, and terminates
// it when the copy is stored. The original stays in its stream until it is
// too old. So a full DEAD loses nothing: it is logged, and the next messages are
// not held up.
func (b *Bus) bury(ctx context.Context, l letter, terminate func(reason string) error) error {
	reason := events.CleanText(l.why.Error(), maxReason)
	log := b.log.With("service", l.service, "stream", l.stream, "subject", l.subject,
		"sequence", l.sequence, "reason", reason)
	_, err := b.put(ctx, l.encode(reason))
	switch {
	case err == nil:
		log.Error("message goes to the dead letters")
		b.metrics.dead.WithLabelValues(l.service, "stored").Inc()
	case errors.Is(err, ErrFull):
		log.Error("DEAD is full: the message stays in its own stream alone", "err", err)
		b.metrics.dead.WithLabelValues(l.service, "full").Inc()
	default:
		if ctx.Err() == nil {
			log.Warn("dead letter is not stored, will retry", "err", err)
		}
		return fmt.Errorf("dead letter: %w", err)
	}
	b.metrics.count(l.durable, "dead")
	if err := terminate(reason); err != nil {
		log.Debug("message is not terminated", "err", err) // it comes again and is buried again, as a duplicate
	}
	return nil
}

func (l letter) encode(reason string) *nats.Msg {
	header := nats.Header{}
	for name, values := range l.header {
		if !plainHeader(name) {
			continue
		}
		if strings.HasPrefix(strings.ToLower(name), "nats-") {
			name = "Dead-" + name
		}
		header[name] = values
	}
	sequence := strconv.FormatUint(l.sequence, 10)
	header.Set(headerDeadReason, reason)
	header.Set(headerDeadStream, l.stream)
	header.Set(headerDeadSequence, sequence)
	header.Set(headerDeadSubject, l.subject)
	header.Set(events.HeaderMsgID, fmt.Sprintf("%s#%s@%d", l.durable, sequence, l.created.Unix()))
	return &nats.Msg{Subject: DeadSubject(l.service), Header: header, Data: l.data}
}

// plainHeader reports whether the name is a token (RFC 9110 section 5.6.2): the
// server drops a message with any other.
func plainHeader(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?={}", c) >= 0 {
			return false
		}
	}
	return name != ""
}
