package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Delivery is one message to one receiver, over all its attempts.
type Delivery struct {
	ID      string   `json:"id"`
	Kind    string   `json:"kind"`
	Members []Member `json:"members"`
	// Thread is the id of the message that opened the conversation, this
	// one's own where it opens one; Ref is the receiver's name for it.
	Thread string `json:"thread,omitempty"`
	Ref    string `json:"ref,omitempty"`
	// Left counts the workloads of the thread that stay open after it.
	Left int `json:"left,omitempty"`

	Created  time.Time     `json:"created"`
	Attempts int           `json:"attempts"`
	At       time.Time     `json:"at,omitzero"`    // of the last attempt
	Wait     time.Duration `json:"wait,omitempty"` // from At to the next one
	// Requested says that the wait is the receiver's own wish, a Retry-After.
	Requested bool `json:"requested,omitempty"`
	// Uncertain is set from before an attempt until the receiver has certainly
	// not taken the message: it may have been received.
	Uncertain bool   `json:"uncertain,omitempty"`
	Failed    bool   `json:"failed,omitempty"` // refused for good; asked again slowly
	Status    int    `json:"status,omitempty"` // of the last answer
	Error     string `json:"error,omitempty"`

	labels   map[string]map[string]string // of its last attempt, by workload
	prior    *Delivery                    // as it was before its last intent
	taken    bool                         // handed out, and its rows not stored yet
	accepted bool
}

// Member is one workload that a message is about.
type Member struct {
	Workload  string `json:"w"`
	Incident  string `json:"i"`
	Incidents int64  `json:"n,omitempty"`
	Ordinal   int    `json:"o,omitempty"` // of a reminder
	Open      bool   `json:"open,omitempty"`
}

// Next is when the delivery is attempted next.
func (d *Delivery) Next() time.Time { return d.At.Add(d.Wait) }

func (m Member) action(kind string) action {
	return action{Kind: kind, Incident: m.Incident, Ordinal: m.Ordinal, Open: m.Open}
}

// identity is that of a message: who gets which message about which incidents. It
// holds no text and no time, so it is the same after a crash.
func identity(receiver, kind string, ordinal int, incidents ...string) string {
	h := sha256.New()
	part := func(s string) {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	part(receiver)
	part(kind)
	h.Write(binary.AppendVarint(nil, int64(ordinal)))
	for _, i := range incidents {
		part(i)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
