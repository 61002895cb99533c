package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// get is the body of a direct get (JetStream ADR-31): any replica of the stream
// answers, perhaps a little behind its leader, also without a quorum. The form
// with a subject in the request's own subject takes no wildcards.
type get struct {
	Sequence uint64 `json:"seq,omitempty"`
	Last     string `json:"last_by_subj,omitempty"`
	Next     string `json:"next_by_subj,omitempty"`
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

// Headers of the answer.
const (
	headerSubject   = "Nats-Subject"
	headerSequence  = "Nats-Sequence"
	headerTimestamp = "Nats-Time-Stamp"
	headerPending   = "Nats-Num-Pending"
)

func directSubject(stream string) string { return "$JS.API.DIRECT.GET." + stream }

func (b *Bus) directGet(ctx context.Context, stream string, g get) (stored, error) {
	body, err := json.Marshal(g)
	if err != nil {
		return stored{}, err
	}
	reply, err := b.request(ctx, directSubject(stream), body)
	if err != nil {
		return stored{}, err
	}
	return gotten(reply)
}

// gotten reads the answer to a direct get.
func gotten(m *nats.Msg) (stored, error) {
	switch code, text := m.Header.Get("Status"), m.Header.Get("Description"); code {
	case "":
	case "404":
		return stored{}, ErrNotFound
	case "503":
		return stored{}, ErrUnavailable
	default:
		return stored{}, fmt.Errorf("%w: %s %s", ErrRefused, code, text)
	}
	sequence, err := strconv.ParseUint(m.Header.Get(headerSequence), 10, 64)
	if err != nil {
		return stored{}, fmt.Errorf("%w: answer without a sequence", ErrUnavailable)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get(headerTimestamp))
	if err != nil {
		return stored{}, fmt.Errorf("%w: answer without a time", ErrUnavailable)
	}
	return stored{m.Header.Get(headerSubject), m.Header, m.Data, sequence, at}, nil
}
