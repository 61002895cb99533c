// Package silence keeps the silences of the bucket SILENCES. The notifier asks it whom
// not to tell, and the status service what to show.
package silence

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// Book is what the bucket holds. The zero value is an empty one.
type Book struct {
	mu sync.Mutex
	of map[string]events.Silence // by key
}

// Take takes in a change of the bucket, and returns the silence of its key, where one
// is there.
func (b *Book) Take(e bus.Entry) (s events.Silence, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = map[string]events.Silence{}
	}
	delete(b.of, e.Key)
	if s, ok = Parse(e); ok {
		b.of[e.Key] = s
	}
	return s, ok
}

// For returns the silence that holds alerts about r back for longest now.
func (b *Book) For(r events.Record, now time.Time) (longest events.Silence, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.of {
		if s.Active(now) && s.Match.Matches(r) && s.Until.After(longest.Until) {
			longest, ok = s, true
		}
	}
	return longest, ok
}

// Parse reads an entry of the bucket.
func Parse(e bus.Entry) (s events.Silence, ok bool) {
	if e.Deleted || json.Unmarshal(e.Value, &s) != nil || s.ID == "" {
		return events.Silence{}, false
	}
	return s, true
}
