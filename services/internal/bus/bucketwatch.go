package bus

import (
	"context"
	"fmt"
)

// A WatchOption changes a watch.
type WatchOption func(*watch)

// OnCurrent calls fn whenever a watch has passed on everything that was stored
// when it started, and again after each interruption.
func OnCurrent(fn func()) WatchOption { return func(w *watch) { w.current = fn } }

type watch struct {
	current func()
	seen    map[string]uint64 // the keys that the caller believes to exist
}

// Watch passes the newest revision of every key on a filter to fn ("proxy.*",
// ">"), then every change, until ctx ends. After an interruption it passes on
// what changed meanwhile; a key that vanished without a trace comes as deleted.
func (k *Bucket) Watch(ctx context.Context, filter string, fn func(Entry), opts ...WatchOption) error {
	w := watch{current: func() {}, seen: map[string]uint64{}}
	for _, o := range opts {
		o(&w)
	}
	return k.bus.keep(ctx, "watch "+k.name+" "+filter, func(ctx context.Context) error {
		stale := make(map[string]bool, len(w.seen)) // not met again yet
		for key := range w.seen {
			stale[key] = true
		}
		s := subscription{stream: k.stream(), filter: k.subject(filter), lastPerSubject: true}
		s.current = func() {
			for key := range stale {
				fn(Entry{Key: key, Revision: w.seen[key], Deleted: true})
				delete(w.seen, key)
			}
			clear(stale)
			w.current()
		}
		return s.run(ctx, k.bus, func(s stored) error {
			e := k.entry(s)
			known, met := w.seen[e.Key], stale[e.Key]
			delete(stale, e.Key)
			switch {
			case met && known == e.Revision:
				return nil // the caller has it from before the interruption
			case e.Deleted:
				delete(w.seen, e.Key)
			default:
				w.seen[e.Key] = e.Revision
			}
			fn(e)
			return nil
		})
	})
}

// Entries returns everything that a bucket holds now on a filter, never a part of it.
func (k *Bucket) Entries(ctx context.Context, filter string) ([]Entry, error) {
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	var entries []Entry
	complete := false
	err := k.Watch(watch, filter, func(e Entry) {
		if !complete && !e.Deleted {
			entries = append(entries, e)
		}
	}, OnCurrent(func() { complete = true; cancel() }))
	switch {
	case complete:
		return entries, nil
	case err == nil:
		err = fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
	return nil, err
}
