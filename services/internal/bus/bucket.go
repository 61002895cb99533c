package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Entry is one revision of a key.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
	Stored   time.Time // by the broker's clock
	Deleted  bool      // deleted or expired
}

// Bucket is a key-value bucket, as other NATS clients know it (JetStream ADR-8).
//
// A replica that is a little behind may answer Get, so it may miss the latest
// write. A decision is made with Create or Update.
type Bucket struct {
	bus  *Bus
	name string
}

// Bucket returns a bucket without asking whether it exists.
func (b *Bus) Bucket(name string) *Bucket { return &Bucket{bus: b, name: name} }

const (
	headerOperation = "KV-Operation"       // DEL, PURGE
	headerMarker    = "Nats-Marker-Reason" // MaxAge: the server's own marker of an expired key
)

func (k *Bucket) stream() string            { return bucketPrefix + k.name }
func (k *Bucket) subject(key string) string { return "$KV." + k.name + "." + key }

// Get returns the newest revision of a key.
func (k *Bucket) Get(ctx context.Context, key string) (Entry, error) {
	e, err := k.last(ctx, key)
	if err == nil && e.Deleted {
		err = ErrNotFound
	}
	if err != nil {
		return Entry{}, fmt.Errorf("get %s/%s: %w", k.name, key, err)
	}
	return e, nil
}

// Put writes a key, whatever its value was.
func (k *Bucket) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	return k.write(ctx, "put", key, value, nats.Header{})
}

// Create writes a key that does not exist. If it exists, the error is ErrConflict.
func (k *Bucket) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	revision, err := k.write(ctx, "create", key, value, expect(0))
	if errors.Is(err, ErrConflict) {
		// A deleted key has a last revision too.
		if e, lastErr := k.last(ctx, key); lastErr == nil && e.Deleted {
			return k.write(ctx, "create", key, value, expect(e.Revision))
		}
	}
	return revision, err
}

// Update writes a key that still has this revision. If it has another one, the
// error is ErrConflict. After ErrUnavailable the value may be written or not: Get
// tells.
func (k *Bucket) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return k.write(ctx, "update", key, value, expect(revision))
}

// Delete deletes a key, whether it exists or not.
func (k *Bucket) Delete(ctx context.Context, key string) error {
	_, err := k.write(ctx, "delete", key, nil, nats.Header{headerOperation: {"DEL"}})
	return err
}

func expect(revision uint64) nats.Header {
	return nats.Header{headerExpectSequence: {strconv.FormatUint(revision, 10)}}
}

func (k *Bucket) write(ctx context.Context, op, key string, value []byte, header nats.Header) (uint64, error) {
	ack, err := k.bus.put(ctx, &nats.Msg{Subject: k.subject(key), Header: header, Data: value})
	if err != nil {
		return 0, fmt.Errorf("%s %s/%s: %w", op, k.name, key, err)
	}
	return ack.Sequence, nil
}

func (k *Bucket) last(ctx context.Context, key string) (Entry, error) {
	s, err := k.bus.directGet(ctx, k.stream(), get{Last: k.subject(key)})
	if err != nil {
		return Entry{}, err
	}
	return k.entry(s), nil
}

func (k *Bucket) entry(s stored) Entry {
	return Entry{
		Key: strings.TrimPrefix(s.subject, k.subject("")), Value: s.data, Revision: s.sequence, Stored: s.at,
		Deleted: s.header.Get(headerOperation) != "" || s.header.Get(headerMarker) != "",
	}
}
