package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// Silence holds back the openings and reminders of the workloads that it matches.
// The end of an incident is sent to a receiver that has got its opening.
type Silence struct {
	ID      string    `json:"id"`
	Match   Match     `json:"match"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	By      string    `json:"by,omitempty"`
	Comment string    `json:"comment,omitempty"`
}

func (s Silence) active(now time.Time) bool { return !now.Before(s.From) && now.Before(s.Until) }

// SilenceAdd stores a silence and returns it with its id.
func SilenceAdd(ctx context.Context, b *bus.Bus, s Silence) (Silence, error) {
	now := time.Now()
	if s.From.IsZero() {
		s.From = now
	}
	if !s.Until.After(s.From) || !s.Until.After(now) {
		return Silence{}, errors.New("a silence needs an end in the future")
	}
	v := &validation{}
	v.match("match", s.Match)
	if len(v.problems) > 0 {
		return Silence{}, v.problems[0]
	}
	s.ID = events.NewID(now)
	data, err := json.Marshal(s)
	if err != nil {
		return Silence{}, fmt.Errorf("encode silence: %w", err)
	}
	if _, err := b.Bucket(bus.BucketSilences).Create(ctx, s.ID, data); err != nil {
		return Silence{}, fmt.Errorf("store silence: %w", err)
	}
	return s, nil
}

// SilenceList returns the silences that are active or will be, by their end.
func SilenceList(ctx context.Context, b *bus.Bus) ([]Silence, error) {
	entries, err := b.Bucket(bus.BucketSilences).Entries(ctx, ">")
	if err != nil {
		return nil, fmt.Errorf("read silences: %w", err)
	}
	var all []Silence
	for _, e := range entries {
		var s Silence
		if json.Unmarshal(e.Value, &s) == nil && s.Until.After(time.Now()) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Silence) int { return a.Until.Compare(b.Until) })
	return all, nil
}

// SilenceExpire ends a silence now.
func SilenceExpire(ctx context.Context, b *bus.Bus, id string) error {
	bucket := b.Bucket(bus.BucketSilences)
	if _, err := bucket.Get(ctx, id); err != nil {
		return fmt.Errorf("silence %s: %w", id, err)
	}
	if err := bucket.Delete(ctx, id); err != nil {
		return fmt.Errorf("expire silence %s: %w", id, err)
	}
	return nil
}

// silences are those of the bucket.
type silences struct {
	mu sync.Mutex
	of map[string]Silence
}

// until is when the last silence ends that matches rec now; zero if none does.
func (s *silences) until(rec events.Record, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var end time.Time
	for _, one := range s.of {
		if one.active(now) && one.Until.After(end) && one.Match.matches(rec) {
			end = one.Until
		}
	}
	return end
}

func (s *silences) note(e bus.Entry) (one Silence, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[string]Silence{}
	}
	delete(s.of, e.Key)
	if e.Deleted || json.Unmarshal(e.Value, &one) != nil {
		return Silence{}, false
	}
	s.of[e.Key] = one
	return one, true
}
