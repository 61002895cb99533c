package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/internal/silence"
)

// SilenceAdd stores a silence and returns it with its id.
func SilenceAdd(ctx context.Context, b *bus.Bus, s events.Silence) (events.Silence, error) {
	now := time.Now()
	if s.From.IsZero() {
		s.From = now
	}
	if !s.Until.After(s.From) || !s.Until.After(now) {
		return events.Silence{}, errors.New("a silence needs an end in the future")
	}
	v := &validation{}
	v.match("match", s.Match)
	if len(v.problems) > 0 {
		return events.Silence{}, v.problems[0]
	}
	s.ID = events.NewID(now)
	data, err := json.Marshal(s)
	if err != nil {
		return events.Silence{}, fmt.Errorf("encode silence: %w", err)
	}
	if _, err := b.Bucket(bus.BucketSilences).Create(ctx, s.ID, data); err != nil {
		return events.Silence{}, fmt.Errorf("store silence: %w", err)
	}
	return s, announce(ctx, b, events.TypeAlertSilenced, s)
}

// announce keeps who silenced what, and who ended it, in the stream ALERT.
func announce(ctx context.Context, b *bus.Bus, typ string, s events.Silence) error {
	e, err := events.New(typ, source, "", time.Now(), s)
	if err != nil {
		return err
	}
	retry := clock.Backoff{First: 100 * time.Millisecond, Most: time.Second}
	for {
		err := b.Publish(ctx, e)
		if err == nil {
			return nil
		}
		if errors.Is(err, bus.ErrRefused) || !retry.Sleep(ctx) {
			return fmt.Errorf("silence %s holds, but is not announced: %w", s.ID, err)
		}
	}
}

// SilenceList returns the silences that are active or will be, by their end.
func SilenceList(ctx context.Context, b *bus.Bus) ([]events.Silence, error) {
	entries, err := b.Bucket(bus.BucketSilences).Entries(ctx, ">")
	if err != nil {
		return nil, fmt.Errorf("read silences: %w", err)
	}
	var all []events.Silence
	for _, e := range entries {
		if s, ok := silence.Parse(e); ok && s.Until.After(time.Now()) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b events.Silence) int { return a.Until.Compare(b.Until) })
	return all, nil
}

// errNoSilence is returned for an id that no silence has.
var errNoSilence = errors.New("no silence has that id; `authwatch silence list` shows them")

// SilenceExpire ends a silence now, and keeps who did.
func SilenceExpire(ctx context.Context, b *bus.Bus, id, by string) error {
	bucket := b.Bucket(bus.BucketSilences)
	if !validID(id) {
		return fmt.Errorf("silence %q: %w", id, errNoSilence)
	}
	e, err := bucket.Get(ctx, id)
	if errors.Is(err, bus.ErrNotFound) {
		return fmt.Errorf("silence %q: %w", id, errNoSilence)
	}
	if err != nil {
		return fmt.Errorf("silence %s: %w", id, err)
	}
	if err := bucket.Delete(ctx, id); err != nil {
		return fmt.Errorf("expire silence %s: %w", id, err)
	}
	s, ok := silence.Parse(e)
	if !ok {
		return nil // what is not understood has ended too
	}
	s.By, s.Until = by, time.Now()
	return announce(ctx, b, events.TypeAlertUnsilenced, s)
}

// validID reports whether id can be a key of the bucket.
func validID(id string) bool {
	return id != "" && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}
