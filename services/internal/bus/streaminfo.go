package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// streamTimes keeps when streams were created. A stream that was created anew
// starts its sequences over, which nothing in its messages tells: the entries
// are dropped with every connection, every new subscription, and with age.
type streamTimes struct {
	mu sync.Mutex
	of map[string]streamTime
}

type streamTime struct{ created, read time.Time }

const streamTimeMaxAge = 10 * time.Second

func (s *streamTimes) get(stream string) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.of[stream]
	return t.created, ok && time.Since(t.read) < streamTimeMaxAge
}

func (s *streamTimes) put(stream string, created time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[string]streamTime{}
	}
	s.of[stream] = streamTime{created, time.Now()}
}

func (s *streamTimes) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.of)
}

// streamInfo is what is read of $JS.API.STREAM.INFO.
type streamInfo struct {
	Created time.Time `json:"created"`
	Config  struct {
		Metadata map[string]string `json:"metadata"`
		MaxBytes int64             `json:"max_bytes"`
	} `json:"config"`
	State struct {
		Messages uint64 `json:"messages"`
		Bytes    int64  `json:"bytes"`
		First    uint64 `json:"first_seq"`
		Last     uint64 `json:"last_seq"`
	} `json:"state"`
	Error *jetstream.APIError `json:"error"`
}

// created returns when a stream was created.
func (b *Bus) created(ctx context.Context, stream string) (time.Time, error) {
	if at, ok := b.streams.get(stream); ok {
		return at, nil
	}
	info, err := b.info(ctx, stream)
	if err != nil {
		return time.Time{}, err
	}
	b.streams.put(stream, info.Created)
	return info.Created, nil
}

func (b *Bus) info(ctx context.Context, stream string) (info streamInfo, err error) {
	reply, err := b.request(ctx, "$JS.API.STREAM.INFO."+stream, nil)
	if err != nil {
		return info, fmt.Errorf("look up %s: %w", stream, err)
	}
	if err := json.Unmarshal(reply.Data, &info); err != nil {
		return info, fmt.Errorf("look up %s: %w: %w", stream, ErrUnavailable, err)
	}
	if info.Error != nil {
		return info, fmt.Errorf("look up %s: %w", stream, classify(info.Error))
	}
	return info, nil
}
