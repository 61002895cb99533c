package notifier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// The keys of the DELIVERIES bucket. Every value is JSON.
//
//	row.<receiver>.<workload>   what was delivered to the receiver about the workload
//	receiver.<receiver>         whether the receiver accepts messages
//	cursor                      how far the STATUS stream is reflected in the rows
const (
	keyRow      = "row."
	keyReceiver = "receiver."
	keyCursor   = "cursor"
)

// receiverHealth is what is stored about a receiver itself.
type receiverHealth struct {
	Health plan.Health `json:"health"`
	Since  time.Time   `json:"since"`
	Error  string      `json:"error,omitempty"`
	Config string      `json:"config,omitempty"` // a hash: a refusal holds for this configuration
}

// cursor is a position in the STATUS stream.
type cursor struct {
	Sequence uint64    `json:"sequence"`
	Stream   time.Time `json:"stream"` // its creation; a new stream is read from its start
}

// progress is the cursor with the receivers that it holds for. Another receiver
// is new: it does not get incidents that were over before it was configured.
type progress struct {
	cursor
	Receivers []string `json:"receivers"`
}

// store is the DELIVERIES bucket, written with compare-and-set: a leader that was
// replaced cannot write any more, and notices.
type store struct {
	bucket *bus.Bucket
	log    *slog.Logger

	mu        sync.Mutex
	revisions map[string]uint64 // that this replica read or wrote last
}

func newStore(bucket *bus.Bucket, log *slog.Logger) *store {
	return &store{bucket: bucket, log: log, revisions: map[string]uint64{}}
}

// load returns all that is stored.
func (s *store) load(ctx context.Context) ([]bus.Entry, error) {
	entries, err := s.bucket.Entries(ctx, ">")
	for _, e := range entries {
		s.setRevision(e.Key, e.Revision)
	}
	return entries, err
}

func (s *store) revision(key string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revisions[key]
}

// setRevision with 0 forgets the key.
func (s *store) setRevision(key string, revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.revisions[key] = revision; revision == 0 {
		delete(s.revisions, key)
	}
}

// put stores a value, however long the bus is unavailable. Its errors are
// [bus.ErrConflict], [bus.ErrRefused] and the end of ctx.
func (s *store) put(ctx context.Context, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	retry := newRetry(s.log)
	for {
		err := s.write(ctx, key, data, retry.Failures > 0)
		if err == nil {
			return nil
		}
		if !errors.Is(err, bus.ErrConflict) && !errors.Is(err, bus.ErrRefused) {
			if err = retry.wait(ctx, err); err == nil {
				continue
			}
		}
		return fmt.Errorf("store %s: %w", key, err)
	}
}

// write makes one attempt. After an attempt without an answer a conflict may be
// with that attempt: then the stored value is the same.
func (s *store) write(ctx context.Context, key string, data []byte, repeated bool) error {
	rev := s.revision(key)
	var err error
	if rev == 0 {
		rev, err = s.bucket.Create(ctx, key, data)
	} else {
		rev, err = s.bucket.Update(ctx, key, data, rev)
	}
	if errors.Is(err, bus.ErrConflict) && repeated {
		e, getErr := s.bucket.Get(ctx, key)
		if getErr != nil {
			return getErr
		}
		if bytes.Equal(e.Value, data) {
			rev, err = e.Revision, nil
		}
	}
	if err == nil {
		s.setRevision(key, rev)
	}
	return err
}

// row stores a row, or removes an empty one.
func (s *store) row(ctx context.Context, receiver string, w plan.Write) error {
	key := rowKey(receiver, w.Workload)
	if w.Row.Empty() {
		return s.remove(ctx, key)
	}
	return s.put(ctx, key, w.Row)
}

// together is how many rows of one message are stored at the same time.
const together = 16

// rows stores several rows, width at the same time, the last one after the others.
func (s *store) rows(ctx context.Context, receiver string, writes []plan.Write, width int) error {
	if len(writes) == 0 {
		return nil
	}
	last := len(writes) - 1
	g, some := errgroup.WithContext(ctx)
	g.SetLimit(width)
	for _, w := range writes[:last] {
		g.Go(func() error { return s.row(some, receiver, w) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return s.row(ctx, receiver, writes[last])
}

func (s *store) remove(ctx context.Context, key string) error {
	if s.revision(key) == 0 {
		return nil
	}
	retry := newRetry(s.log)
	for {
		err := s.bucket.Delete(ctx, key)
		if err == nil || errors.Is(err, bus.ErrNotFound) {
			s.setRevision(key, 0)
			return nil
		}
		if err := retry.wait(ctx, err); err != nil {
			return fmt.Errorf("remove %s: %w", key, err)
		}
	}
}

func rowKey(receiver, workload string) string { return keyRow + receiver + "." + workload }

func parseRowKey(key string) (receiver, workload string, ok bool) {
	rest, ok := strings.CutPrefix(key, keyRow)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ".")
}

// retry paces the attempts at something on the bus: a broker that elects a leader
// is unavailable for some seconds.
type retry struct {
	clock.Backoff
	log *slog.Logger
}

func newRetry(log *slog.Logger) *retry {
	return &retry{clock.Backoff{First: 100 * time.Millisecond, Most: time.Second}, log}
}

// wait waits after a failure. Its error is why ctx has ended.
func (r *retry) wait(ctx context.Context, err error) error {
	if r.Failures == 2 {
		r.log.Warn("the bus does not answer, will retry", "err", err)
	}
	if !r.Sleep(ctx) {
		return context.Cause(ctx)
	}
	return nil
}
