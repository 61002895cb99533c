package notifier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// The keys of the DELIVERIES bucket. Every value is JSON.
//
//	row.<receiver>.<workload>   what the receiver was told about the workload
//	receiver.<receiver>         its condition
//	cursor                      how far the STATUS stream is reflected in the rows
//	ask.<id>                    a request of the command line, and the answer
const (
	keyRow      = "row."
	keyReceiver = "receiver."
	keyCursor   = "cursor"
	keyAsk      = "ask."
)

// condition is what is kept of a receiver itself.
type condition struct {
	State  plan.State `json:"state"`
	Since  time.Time  `json:"since"`
	Error  string     `json:"error,omitempty"`
	Config string     `json:"config,omitempty"` // a hash; what was refused was this configuration
}

// cursor is a position in the STATUS stream.
type cursor struct {
	Sequence uint64    `json:"sequence"`
	Stream   time.Time `json:"stream"` // when it was created: a new one starts over
}

// progress is the cursor with the receivers that have been told up to it. Others
// are new: what came and went before them is not theirs.
type progress struct {
	cursor
	Receivers []string `json:"receivers"`
}

// store is the DELIVERIES bucket, written with compare-and-set: a leader that
// was replaced cannot write any more, and notices.
type store struct {
	bucket    *bus.Bucket
	revisions *revisions
	retry     func(ctx context.Context, attempt int) error // waits
}

// put stores a value, however long the bus is away. Its errors are
// [bus.ErrConflict], [bus.ErrRefused] and the end of ctx.
func (s *store) put(ctx context.Context, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	unclear := false
	for attempt := 1; ; attempt++ {
		err := s.write(ctx, key, data, unclear)
		if err == nil || errors.Is(err, bus.ErrConflict) || errors.Is(err, bus.ErrRefused) {
			if err != nil {
				err = fmt.Errorf("store %s: %w", key, err)
			}
			return err
		}
		unclear = true
		if err := s.retry(ctx, attempt); err != nil {
			return fmt.Errorf("store %s: %w", key, err)
		}
	}
}

// write makes one attempt. After an unclear one a conflict may be our own doing:
// then the stored value is ours.
func (s *store) write(ctx context.Context, key string, data []byte, unclear bool) error {
	rev := s.revisions.get(key)
	var err error
	if rev == 0 {
		rev, err = s.bucket.Create(ctx, key, data)
	} else {
		rev, err = s.bucket.Update(ctx, key, data, rev)
	}
	if errors.Is(err, bus.ErrConflict) && unclear {
		e, getErr := s.bucket.Get(ctx, key)
		if getErr != nil {
			return getErr
		}
		if bytes.Equal(e.Value, data) {
			rev, err = e.Revision, nil
		}
	}
	if err == nil {
		s.revisions.set(key, rev)
	}
	return err
}

// row stores a row, or removes one that says nothing.
func (s *store) row(ctx context.Context, receiver string, w plan.Write) error {
	key := rowKey(receiver, w.Workload)
	if w.Row.Empty() {
		return s.remove(ctx, key)
	}
	return s.put(ctx, key, w.Row)
}

// together is how many rows of one message are stored at a time.
const together = 16

// rows stores several, width at a time, the last one after the others.
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
	if s.revisions.get(key) == 0 {
		return nil
	}
	for attempt := 1; ; attempt++ {
		err := s.bucket.Delete(ctx, key)
		if err == nil || errors.Is(err, bus.ErrNotFound) {
			s.revisions.set(key, 0)
			return nil
		}
		if err := s.retry(ctx, attempt); err != nil {
			return fmt.Errorf("remove %s: %w", key, err)
		}
	}
}

func rowKey(receiver, workload string) string { return keyRow + receiver + "." + workload }

// parseRowKey is the receiver and workload of a row's key.
func parseRowKey(key string) (receiver, workload string, ok bool) {
	rest, ok := strings.CutPrefix(key, keyRow)
	if !ok {
		return "", "", false
	}
	receiver, workload, ok = strings.Cut(rest, ".")
	return receiver, workload, ok
}
