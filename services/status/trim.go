package status

import (
	"context"
	"time"

	"github.com/authwatch/authwatch/services/internal/bus"
)

const (
	trimInterval = 10 * time.Second
	// From trimAbove of its size on, history is removed from the STATUS stream until
	// it is down to trimTo: the newest record of each workload has to fit.
	trimAbove = 0.8
	trimTo    = 0.7
)

// trimmer removes history before the STATUS stream is full.
type trimmer struct {
	*Service
	full chan struct{} // a record did not fit
}

func newTrimmer(s *Service) *trimmer { return &trimmer{s, make(chan struct{}, 1)} }

// soon asks for room without waiting for it.
func (t *trimmer) soon() {
	select {
	case t.full <- struct{}{}:
	default:
	}
}

func (t *trimmer) run(ctx context.Context) error {
	tick := time.NewTicker(trimInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.full:
		case <-tick.C:
		}
		if err := t.trim(ctx); err != nil && ctx.Err() == nil {
			t.log.Warn("history is not removed from STATUS", "err", err)
		}
	}
}

// trim removes the oldest history of every workload, more in each round, until
// there is room or only the newest records are left.
func (t *trimmer) trim(ctx context.Context) error {
	used, err := t.bus.Used(ctx, bus.StreamStatus)
	if err != nil || used < trimAbove {
		return err
	}
	t.log.Warn("STATUS is nearly full, history is removed", "used", used)
	for _, keep := range []int{100, 50, 20, 10, 5, 2, 1} {
		for _, r := range t.view.records() {
			if err := t.bus.Trim(ctx, bus.StreamStatus, statusOf(r.Workload), keep); err != nil {
				return err
			}
		}
		if used, err = t.bus.Used(ctx, bus.StreamStatus); err != nil || used < trimTo {
			return err
		}
	}
	t.log.Error("STATUS has hardly room for the newest records; raise its max_bytes", "used", used)
	return nil
}
