package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	inspectInterval = 5 * time.Second
	// ownInterval is that of who puts back what is missing.
	ownInterval = time.Second
	// writePatience is how long writes to one stream may fail before that counts. An
	// election takes up to 8 s.
	writePatience = 10 * time.Second
)

// inspection is what is known of the streams: whether they are there, are ours,
// and take what is written.
type inspection struct {
	mu      sync.Mutex
	streams map[string]*inspected
	needed  map[string]bool   // streams
	durable map[string]string // of a stream: the durable that is looked for
	resets  map[string]map[*func()]struct{}
	wake    chan struct{}
}

// inspected is one stream.
type inspected struct {
	streamInfo
	err     error     // of the last look
	seen    time.Time // the last look that showed it
	foreign bool

	failed  error     // the last write; nil: it was acknowledged
	failing time.Time // since when
	tried   time.Time
}

func newInspection() inspection {
	return inspection{
		streams: map[string]*inspected{}, needed: map[string]bool{}, durable: map[string]string{},
		resets: map[string]map[*func()]struct{}{}, wake: make(chan struct{}, 1),
	}
}

// of returns a stream; the caller holds the lock.
func (i *inspection) of(stream string) *inspected {
	if i.streams[stream] == nil {
		i.streams[stream] = &inspected{}
	}
	return i.streams[stream]
}

func (i *inspection) soon() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// connected forgets what another server has said.
func (i *inspection) connected() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, s := range i.streams {
		s.seen, s.err = time.Time{}, nil
	}
	i.soon()
}

// streamOf returns the stream of the topology that stores a subject; empty: none.
func streamOf(subject string) string {
	if rest, ok := strings.CutPrefix(subject, "$KV."); ok {
		switch bucket, _, _ := strings.Cut(rest, "."); bucket {
		case BucketLeases, BucketDeliveries, BucketSilences:
			return bucketPrefix + bucket
		}
		return ""
	}
	switch first, _, _ := strings.Cut(subject, "."); first {
	case "auth":
		return StreamAuth
	case "status":
		return StreamStatus
	case "alert":
		return StreamAlert
	case "dead":
		return StreamDead
	}
	return ""
}

// NeedsStreams names streams without which this process cannot do its work, beside
// those of the subjects in [Bus.Needs]. Ready says what is wrong with them.
func (b *Bus) NeedsStreams(names ...string) {
	b.inspection.mu.Lock()
	for _, name := range names {
		if name != "" {
			b.inspection.needed[name] = true
		}
	}
	b.inspection.mu.Unlock()
	b.inspection.soon()
}

// NeedsBuckets is [Bus.NeedsStreams] for buckets.
func (b *Bus) NeedsBuckets(names ...string) {
	for _, name := range names {
		b.NeedsStreams(bucketPrefix + name)
	}
}

// OnReset calls fn when what a stream held is gone: it was created anew, or purged.
// It is called once for each time, in a goroutine of the bus, until stop is called.
func (b *Bus) OnReset(stream string, fn func()) (stop func()) {
	i := &b.inspection
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.resets[stream] == nil {
		i.resets[stream] = map[*func()]struct{}{}
	}
	i.resets[stream][&fn] = struct{}{}
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		delete(i.resets[stream], &fn)
	}
}

// inspect looks at the streams again and again until ctx ends, and puts back what
// is missing where this bus owns the topology.
func (b *Bus) inspect(ctx context.Context) {
	timer := time.NewTimer(inspectInterval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.inspection.wake:
		case <-timer.C:
		}
		b.inspection.mu.Lock()
		names := slices.Collect(maps.Keys(b.inspection.needed))
		b.inspection.mu.Unlock()
		next := inspectInterval
		if b.owner.Load() {
			names, next = topologyStreams(), ownInterval
		}
		if b.nc.IsConnected() {
			missing := b.look(ctx, names)
			b.heal(ctx, missing)
		}
		timer.Reset(next)
	}
}

// look looks at streams and returns the error of one that is not there.
func (b *Bus) look(ctx context.Context, names []string) (missing error) {
	errs := make([]error, len(names))
	var looking sync.WaitGroup
	for n, name := range names {
		looking.Go(func() { _, errs[n] = b.lookAt(ctx, name) })
	}
	looking.Wait()
	for _, err := range errs {
		if errors.Is(err, ErrNotFound) {
			missing = err
		}
	}
	return missing
}

// lookAt looks at one stream, unless the server has denied that.
func (b *Bus) lookAt(ctx context.Context, name string) (foreign bool, err error) {
	i := &b.inspection
	i.mu.Lock()
	s := i.of(name)
	denied := errors.Is(s.err, ErrRefused)
	i.mu.Unlock()
	if denied {
		return false, nil
	}
	info, err := b.info(ctx, name)
	i.mu.Lock()
	defer i.mu.Unlock()
	if s.err = err; err != nil {
		if errors.Is(err, ErrNotFound) {
			s.foreign = false
		}
		return s.foreign, err
	}
	before, foreign := s.streamInfo, s.foreign
	s.streamInfo, s.seen, s.foreign = info, time.Now(), !ours(info.Config.Metadata)
	if s.foreign && !foreign {
		b.log.Error("stream is not authwatch's and is left alone", "stream", name)
	}
	b.streams.put(name, info.Created)
	b.metrics.bytes.WithLabelValues(name).Set(float64(info.State.Bytes))
	b.metrics.maxBytes.WithLabelValues(name).Set(float64(info.Config.MaxBytes))
	if before.reset(name, info) {
		b.log.Warn("what a stream held is gone", "stream", name, "created", info.Created, "first", info.State.First)
		for fn := range i.resets[name] {
			go (*fn)()
		}
	}
	return s.foreign, nil
}

// reset reports whether all that was there before is gone.
func (s streamInfo) reset(name string, now streamInfo) bool {
	switch {
	case s.Created.IsZero():
		return false
	case !s.Created.Equal(now.Created):
		return true
	}
	if strings.HasPrefix(name, bucketPrefix) {
		return false // a value takes the place of the one before
	}
	if s.State.Messages > 0 {
		return now.State.First > s.State.Last
	}
	return now.State.First > s.State.Last+1 // what was stored since is gone
}

// own refuses what is to be written to a stream that this program did not make. A
// server that does not let this user look leaves it to the user's permissions.
func (b *Bus) own(ctx context.Context, subject string) error {
	name := streamOf(subject)
	if name == "" {
		return nil
	}
	b.inspection.mu.Lock()
	s := b.inspection.of(name)
	known, foreign := !s.seen.IsZero(), s.foreign
	b.inspection.mu.Unlock()
	if !known {
		foreign, _ = b.lookAt(ctx, name) // a stream that is away says so itself
	}
	if foreign {
		return fmt.Errorf("%w: %w", ErrUnavailable, foreignError(name))
	}
	return nil
}

func foreignError(stream string) error {
	return fmt.Errorf("stream %s is not authwatch's: it has no metadata %s", stream, metadataVersion)
}

// written takes note of how a write ended.
func (b *Bus) written(subject string, err error) {
	name := streamOf(subject)
	if name == "" {
		return
	}
	if err != nil && !errors.Is(err, ErrUnavailable) {
		return // it is about this message
	}
	i := &b.inspection
	i.mu.Lock()
	defer i.mu.Unlock()
	s, now := i.of(name), time.Now()
	if s.failed == nil && err != nil {
		s.failing = now
		i.soon() // it may be gone
	}
	s.failed, s.tried = err, now
}

// state says what keeps this process from its work.
func (i *inspection) state(now time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(i.needed)) {
		if err := i.of(name).state(name, now); err != nil {
			return err
		}
	}
	for _, stream := range slices.Sorted(maps.Keys(i.durable)) {
		if durable := i.durable[stream]; durable != "" {
			return fmt.Errorf("consumer %s of stream %s is not there, or gives no messages", durable, stream)
		}
	}
	return nil
}

func (s *inspected) state(name string, now time.Time) error {
	trying := s.failed != nil && now.Sub(s.tried) < canaryMaxAge
	switch {
	case s.foreign:
		return foreignError(name)
	case errors.Is(s.err, ErrNotFound):
		return fmt.Errorf("stream %s is not there; authwatch provision makes it", name)
	case errors.Is(s.err, ErrRefused):
		return nil // a server that does not say leaves it to the writes
	case s.seen.IsZero() && s.err == nil:
		return fmt.Errorf("stream %s has not been looked at yet", name)
	case s.err != nil && now.Sub(s.seen) > canaryMaxAge:
		return fmt.Errorf("stream %s does not answer: %w", name, s.err)
	case name != StreamDead && (s.full() || trying && errors.Is(s.failed, ErrFull)):
		return fmt.Errorf("stream %s is full: %d of %d bytes", name, s.State.Bytes, s.Config.MaxBytes)
	case trying && s.tried.Sub(s.failing) > writePatience:
		return fmt.Errorf("stream %s acknowledges no write: %w", name, s.failed)
	}
	return nil
}

// full reports whether there is hardly room for one more event. A letter that DEAD
// does not take stays where it came from.
func (s streamInfo) full() bool {
	limit := s.Config.MaxBytes
	return limit > 0 && s.State.Bytes+min(maxEvent, limit/100) > limit
}
