package credential

import (
	"context"
	"sync"
)

// flight runs one read at a time. Who comes while one is under way shares the
// next: what he gets was read after he asked.
type flight struct {
	fly func(ctx context.Context, due bool)

	mu      sync.Mutex
	now     *trip // under way
	next    *trip
	stop    context.CancelFunc // of the trip under way
	stopped bool
}

type trip struct {
	due  bool // one of those who share it asks because it is time
	done chan struct{}
}

// join waits for a read that starts after the call, at most until ctx ends. The
// read itself outlives ctx: others may share it.
func (f *flight) join(ctx context.Context, due bool) {
	select {
	case <-f.board(ctx, due):
	case <-ctx.Done():
	}
}

func (f *flight) board(ctx context.Context, due bool) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.next
	switch {
	case f.stopped:
		t = &trip{done: make(chan struct{})}
		close(t.done)
	case f.now == nil:
		t = &trip{done: make(chan struct{})}
		f.now = t
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		f.stop = stop
		go f.run(own)
	case t == nil:
		t = &trip{done: make(chan struct{})}
		f.next = t
	}
	t.due = t.due || due
	return t.done
}

func (f *flight) run(ctx context.Context) {
	for {
		f.mu.Lock()
		t := f.now
		due := t.due
		f.mu.Unlock()

		f.fly(ctx, due)

		f.mu.Lock()
		close(t.done)
		f.now, f.next = f.next, nil
		if f.now == nil {
			f.stop()
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
	}
}

// close ends the read under way and waits for it; there are no more after it.
func (f *flight) close() {
	f.mu.Lock()
	f.stopped = true
	t := f.next
	if t == nil {
		t = f.now
	}
	if f.stop != nil {
		f.stop()
	}
	f.mu.Unlock()
	if t != nil {
		<-t.done
	}
}
