package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/datadir"
)

const (
	// grace is how long an acknowledgement may take before the event goes to
	// the file, while the bus is well.
	grace = 10 * time.Millisecond
	// pause bounds how often the file is written.
	pause = 20 * time.Millisecond
	// maxFile is more than the events of ten thousand workloads.
	maxFile = 1 << 30
)

// keep makes the file follow what is held.
func (b *Outbox) keep(ctx context.Context) {
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.dirty:
		}
		b.mu.Lock()
		healthy := b.healthy
		b.mu.Unlock()
		if healthy && !clock.Sleep(ctx, grace) {
			return
		}
		err := b.save()
		if err != nil && !failing {
			b.o.Log.Error("cannot keep unacknowledged events; a crash now would lose them", "err", err)
		}
		failing = err != nil
		if failing {
			signal(b.dirty)
		}
		if !clock.Sleep(ctx, pause) {
			return
		}
	}
}

// save writes what is held, if the file differs. An acknowledged event that is
// still in the file after a crash is published again with the same id.
func (b *Outbox) save() error {
	if b.file == "" {
		return nil
	}
	held, same := b.unstored()
	if same {
		return nil
	}
	var text bytes.Buffer
	ids := make(map[string]bool, len(held))
	for _, e := range held {
		m, err := events.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode %s: %w", e.ID(), err)
		}
		text.Write(m.Data)
		text.WriteByte('\n')
		ids[e.ID()] = true
	}
	if err := datadir.Replace(b.file, text.Bytes()); err != nil {
		return err
	}
	b.stored = ids
	return nil
}

func (b *Outbox) unstored() (held []event.Event, same bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	same = b.held == len(b.stored)
	for _, q := range b.queues {
		for _, it := range q.items {
			same = same && b.stored[it.event.ID()]
			held = append(held, it.event)
		}
	}
	return held, same
}

// load reads the file. What cannot be read is set aside: it must not keep the
// proxy from starting.
func load(file string, log *slog.Logger) ([]event.Event, error) {
	text, err := config.ReadFile(file, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var left []event.Event
	bad := 0
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		e, err := events.Unmarshal(map[string][]string{"Content-Type": {"application/cloudevents+json"}}, line)
		if err != nil {
			bad++
			log.Error("an event left by the last run cannot be read", "file", file, "err", err)
			continue
		}
		left = append(left, e)
	}
	if bad > 0 {
		if err := datadir.Replace(file+".bad", text); err != nil {
			return nil, err
		}
	}
	return left, nil
}
