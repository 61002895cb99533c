package credential

import (
	"context"
	"sync"
	"time"
)

// reader runs one read at a time. A caller that arrives during a read waits for
// the next one, so its result is never older than its call.
type reader struct {
	read func(ctx context.Context, due bool)

	mu      sync.Mutex
	running *reread
	next    *reread
	cancel  context.CancelFunc // of the running one
	closed  bool
}

// reread is one read that callers wait for.
type reread struct {
	due  bool // one of the callers asks because it is time
	done chan struct{}
}

// wait returns after a read that starts after the call, or when ctx ends. The
// read itself outlives ctx: others may wait for it.
func (r *reader) wait(ctx context.Context, due bool) {
	select {
	case <-r.join(ctx, due):
	case <-ctx.Done():
	}
}

func (r *reader) join(ctx context.Context, due bool) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		done := make(chan struct{})
		close(done)
		return done
	}
	if r.next == nil {
		r.next = &reread{done: make(chan struct{})}
	}
	own := r.next
	own.due = own.due || due
	if r.running == nil {
		var reading context.Context
		reading, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
		r.running, r.next = own, nil
		go r.run(reading, own)
	}
	return own.done
}

func (r *reader) run(ctx context.Context, own *reread) {
	for own != nil {
		r.read(ctx, own.due)
		r.mu.Lock()
		close(own.done)
		own, r.next = r.next, nil
		r.running = own
		if own == nil {
			r.cancel()
		}
		r.mu.Unlock()
	}
}

// lastRead is how long the end of a source waits for a helper or a token endpoint
// that was asked: the answer may hold the refresh token that replaces the one just
// used. It is part of what a process has to stop in.
const lastRead = 6 * time.Second

// close ends the running read, waits for what cannot be called back, and lets no
// other begin.
func (r *reader) close() {
	r.mu.Lock()
	r.closed = true
	if r.next != nil {
		close(r.next.done)
		r.next = nil
	}
	running := r.running
	if running != nil {
		r.cancel()
	}
	r.mu.Unlock()
	if running == nil {
		return
	}
	timer := time.NewTimer(lastRead)
	defer timer.Stop()
	select {
	case <-running.done:
	case <-timer.C:
	}
}
