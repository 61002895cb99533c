package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/authwatch/authwatch/events"
)

// Headers of a dead letter. Its own headers are kept as far as they fit; those
// that NATS or this package acts on get the prefix Dead-.
const (
	headerDeadReason   = "Dead-Reason"
	headerDeadStream   = "Dead-Stream"
	headerDeadSequence = "Dead-Sequence"
	headerDeadSubject  = "Dead-Subject"
	headerDeadCut      = "Dead-Cut" // what is not all there: headers, body
)

const (
	maxReason = 512
	// maxDeadHeader is how much a dead letter keeps of the headers of its original,
	// as they are written. A message may have up to 64 KiB of them, and with ours
	// they would be too many for the server.
	maxDeadHeader = 2 * maxHeader
	// maxDead is how much it keeps of the original; ours takes at most 2 KiB.
	maxDead = maxLetter - 2<<10

	maxBurials = 12 // attempts to store one letter: about 40 s
	// maxUnburied is how many messages wait for a DEAD that takes none. What one
	// consumer has in hand is bounded, and those that can be handled must not run
	// out of room.
	maxUnburied = 512
	deadRest    = 30 * time.Second // without an attempt, while more than that wait
)

// DeadSubject is where a service sends what it cannot use.
func DeadSubject(service string) string { return "dead." + service }

// letter is a message that goes to DEAD.
type letter struct {
	service, stream, durable string
	stored
	created time.Time // of the stream
	why     error
}

// storeLetter copies a message to DEAD, as much of it as fits.
func (b *Bus) storeLetter(ctx context.Context, l letter) error {
	_, err := b.put(ctx, l.encode(maxDeadHeader, maxDead))
	if errors.Is(err, ErrRefused) { // DEAD takes less than it was provisioned for
		_, err = b.put(ctx, l.encode(0, 0))
	}
	return err
}

// buried ends an attempt of storeLetter: it terminates the message when the copy is
// stored, and when there will be no further attempt. The original stays in its
// stream until it is too old. So what DEAD does not take loses nothing: it is
// logged, and the next messages are not held up.
func (b *Bus) buried(l letter, err error, last bool, terminate func(reason string) error) error {
	log := b.log.With("service", l.service, "stream", l.stream, "subject", l.subject,
		"sequence", l.sequence, "reason", l.reason())
	switch {
	case err == nil:
		log.Error("message goes to the dead letters")
		b.metrics.dead.WithLabelValues(l.service, "stored").Inc()
	case errors.Is(err, ErrFull):
		log.Error("DEAD is full: the message stays in its own stream alone", "err", err)
		b.metrics.dead.WithLabelValues(l.service, "full").Inc()
	case last || errors.Is(err, ErrRefused):
		log.Error("dead letter cannot be stored: the message stays in its own stream alone", "err", err)
		b.metrics.dead.WithLabelValues(l.service, "lost").Inc()
	default:
		log.Warn("dead letter is not stored, will retry", "err", err)
		return fmt.Errorf("dead letter: %w", err)
	}
	b.metrics.count(l.durable, "dead")
	if err := terminate(l.reason()); err != nil {
		log.Debug("message is not terminated", "err", err) // it comes again and is buried again, as a duplicate
	}
	return nil
}

func (l letter) reason() string { return events.CleanText(l.why.Error(), maxReason) }

// encode makes the copy: headers and body as they came, up to so many bytes of
// headers, and of both together.
func (l letter) encode(headers, both int) *nats.Msg {
	sequence := strconv.FormatUint(l.sequence, 10)
	header := nats.Header{}
	left, cut := headers, []string{}
	for _, name := range slices.Sorted(maps.Keys(l.header)) {
		if !plainHeader(name) {
			continue
		}
		values := l.header[name]
		if strings.HasPrefix(strings.ToLower(name), "nats-") || strings.HasPrefix(strings.ToLower(name), "dead-") {
			name = "Dead-" + name
		}
		size := 0
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
		if size > left {
			cut = []string{"headers"}
			continue // a smaller one may fit
		}
		left -= size
		header[name] = values
	}
	data := l.data
	if room := both - (headers - left); len(data) > room {
		data = data[:room]
		cut = append(cut, "body")
	}
	if len(cut) > 0 {
		header.Set(headerDeadCut, strings.Join(cut, " "))
	}
	header.Set(headerDeadReason, l.reason())
	header.Set(headerDeadStream, l.stream)
	header.Set(headerDeadSequence, sequence)
	header.Set(headerDeadSubject, events.CleanText(l.subject, maxReason))
	header.Set(events.HeaderMsgID, fmt.Sprintf("%s#%s@%d", l.durable, sequence, l.created.Unix()))
	return &nats.Msg{Subject: DeadSubject(l.service), Header: header, Data: data}
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
