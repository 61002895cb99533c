package status

import (
	"time"

	"github.com/authwatch/authwatch/events"
)

// Observation is one auth.* event as it stands in the AUTH stream.
type Observation struct {
	Type   string
	ID     string
	Source string
	Time   time.Time // by the source's clock
	Data   events.Observation
	// TraceParent is the trace of the request behind it, where it had one.
	TraceParent string

	Position events.Position
	Stored   time.Time // by the broker's clock
	// Repeated says that the same event (source and id) stands at an earlier
	// position: a retry that the stream's deduplication window did not catch.
	Repeated bool
	// ServedElsewhere says that another proxy than the source held a lease on the
	// workload when its auth.retired was handled, and had not retired it too.
	ServedElsewhere bool
}

// fingerprint is empty where the event names no credential value.
func (o Observation) fingerprint() string {
	if o.Type == events.TypeMissing || o.Data.Credential == nil {
		return ""
	}
	return o.Data.Credential.Fingerprint
}

// loadedAt is when the source got what it reports, by its own clock. Only an
// event that is itself about loading may stand in for an absent loaded_at.
func (o Observation) loadedAt() time.Time {
	if o.Type == events.TypeMissing {
		return o.Time
	}
	if c := o.Data.Credential; c != nil && c.LoadedAt != nil {
		return *c.LoadedAt
	}
	if o.Type == events.TypeLoaded {
		return o.Time
	}
	return time.Time{}
}

// clocks is how far the clocks of two brokers may be apart.
const clocks = 5 * time.Second

// restored reports whether a message is older than its stream: then the stream was
// restored from a copy, and its sequences go on where those of the copy were.
func restored(p events.Position, stored time.Time) bool {
	return stored.Add(clocks).Before(p.Stream)
}

// follows reports whether p comes after what was observed last. A stream that was
// created anew starts over; what is left of an older one is behind.
func follows(p events.Position, stored time.Time, last *events.Position) bool {
	switch {
	case last == nil:
		return true
	case p.Stream.Before(last.Stream):
		return false
	case p.Stream.After(last.Stream) && !restored(p, stored):
		return true
	}
	return p.Sequence > last.Sequence
}
