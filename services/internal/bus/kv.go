package bus

import (
	"context"
	"time"
)

// Entry is one revision of a key.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
	Stored   time.Time // by the broker's clock
	Deleted  bool
}

// Bucket is a key-value bucket.
type Bucket struct{}

// A WatchOption changes a watch.
type WatchOption func()

// OnCurrent calls fn whenever a watch has passed on everything that was stored
// when it started, and again after each reconnect.
func OnCurrent(fn func()) WatchOption { panic("not yet") }

func (b *Bus) Bucket(name string) *Bucket { panic("not yet") }

func (k *Bucket) Get(ctx context.Context, key string) (Entry, error) { panic("not yet") }

func (k *Bucket) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	panic("not yet")
}

func (k *Bucket) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	panic("not yet")
}

func (k *Bucket) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	panic("not yet")
}

func (k *Bucket) Delete(ctx context.Context, key string) error { panic("not yet") }

func (k *Bucket) Keys(ctx context.Context) ([]string, error) { panic("not yet") }

func (k *Bucket) Watch(ctx context.Context, filter string, fn func(Entry), opts ...WatchOption) error {
	panic("not yet")
}
