package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// An ask is a request to whoever leads, and then its answer: a key of the
// DELIVERIES bucket, so that the command line needs the bus and nothing else.
type ask struct {
	Do       string    `json:"do"` // askTest, askReplay or askWaiting
	Receiver string    `json:"receiver,omitempty"`
	Delivery string    `json:"delivery,omitempty"` // empty: all of the receiver's
	Workload string    `json:"workload,omitempty"`
	At       time.Time `json:"at"`

	Done    bool           `json:"done,omitempty"`
	Receipt events.Receipt `json:"receipt,omitzero"`
	Count   int            `json:"count,omitempty"`
	Waiting []Waiting      `json:"waiting,omitempty"`
	Error   string         `json:"error,omitempty"` // why nothing was done
}

const (
	askTest    = "test"
	askReplay  = "replay"
	askWaiting = "waiting"
	askExpiry  = 10 * time.Minute
)

// Waiting is what one receiver is told next about a workload.
type Waiting struct {
	Receiver string `json:"receiver"`
	plan.Wait
}

// ErrNotDone is returned where the notifier understood a request and did not do
// what it asked for.
var ErrNotDone = errors.New("the notifier did not do it")

// Test sends a marked message to a receiver, through the notifier that leads and
// everything that an alert goes through, and returns its receipt: what the
// receiver said is in there. It waits as long as ctx does.
func Test(ctx context.Context, b *bus.Bus, receiver string) (events.Receipt, error) {
	a, err := request(ctx, b, ask{Do: askTest, Receiver: receiver})
	return a.Receipt, err
}

// Replay attempts a delivery that failed or waits now, all of the receiver's
// where id is empty, and returns how many there are.
func Replay(ctx context.Context, b *bus.Bus, receiver, id string) (int, error) {
	a, err := request(ctx, b, ask{Do: askReplay, Receiver: receiver, Delivery: id})
	return a.Count, err
}

// WaitingFor returns what receivers have yet to be told about a workload, and what
// each message waits for, in the order of the configuration.
func WaitingFor(ctx context.Context, b *bus.Bus, workload string) ([]Waiting, error) {
	a, err := request(ctx, b, ask{Do: askWaiting, Workload: workload})
	return a.Waiting, err
}

// request stores an ask and waits for the answer.
func request(ctx context.Context, b *bus.Bus, a ask) (ask, error) {
	bucket := b.Bucket(bus.BucketDeliveries)
	a.At = time.Now()
	key := keyAsk + events.NewID(a.At)
	data, err := json.Marshal(a)
	if err != nil {
		return ask{}, fmt.Errorf("encode the request: %w", err)
	}
	if _, err := bucket.Create(ctx, key, data); err != nil {
		return ask{}, fmt.Errorf("ask the notifier: %w", err)
	}
	answer, err := await(ctx, bucket, key)
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = bucket.Delete(clean, key) // the leader removes what is left
	return answer, err
}

func await(ctx context.Context, bucket *bus.Bucket, key string) (ask, error) {
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	var answer ask
	err := bucket.Watch(watch, key, func(e bus.Entry) {
		var a ask
		if json.Unmarshal(e.Value, &a) == nil && a.Done {
			answer = a
			cancel()
		}
	})
	switch {
	case answer.Error != "":
		return answer, fmt.Errorf("%w: %s", ErrNotDone, answer.Error)
	case answer.Done:
		return answer, nil
	case ctx.Err() != nil:
		return ask{}, fmt.Errorf("no notifier answered: %w", ctx.Err())
	}
	return ask{}, fmt.Errorf("wait for the notifier: %w", err)
}
