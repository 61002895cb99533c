package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// The commands that the leading notifier serves: the last token of the subject.
const (
	commandTest    = "test"
	commandReplay  = "replay"
	commandWaiting = "waiting"
)

// command is the body of a request.
type command struct {
	Receiver string `json:"receiver,omitempty"`
	Delivery string `json:"delivery,omitempty"` // empty: all of the receiver's
	Workload string `json:"workload,omitempty"`
}

// reply is the answer to a command.
type reply struct {
	Receipt events.Receipt `json:"receipt,omitzero"`
	Count   int            `json:"count,omitempty"`
	Waiting []Waiting      `json:"waiting,omitempty"`
	Error   string         `json:"error,omitempty"` // why nothing was done
}

// Waiting is what one receiver gets next about a workload.
type Waiting struct {
	Receiver string `json:"receiver"`
	plan.Wait
}

// errNotDone is returned where the notifier got a command and did not do it.
var errNotDone = errors.New("the notifier did not do it")

// Test sends a marked message to a receiver, the way that an alert goes, and
// returns its receipt with the answer of the receiver. It waits as long as ctx
// does.
func Test(ctx context.Context, b *bus.Bus, receiver string) (events.Receipt, error) {
	r, err := request(ctx, b, commandTest, command{Receiver: receiver})
	return r.Receipt, err
}

// Replay attempts a delivery that failed or waits now, or all deliveries of the
// receiver where id is empty. It returns how many there are.
func Replay(ctx context.Context, b *bus.Bus, receiver, id string) (int, error) {
	r, err := request(ctx, b, commandReplay, command{Receiver: receiver, Delivery: id})
	return r.Count, err
}

// WaitingFor returns the next message about a workload to each receiver, and what
// each message waits for, in the order of the configuration.
func WaitingFor(ctx context.Context, b *bus.Bus, workload string) ([]Waiting, error) {
	r, err := request(ctx, b, commandWaiting, command{Workload: workload})
	return r.Waiting, err
}

// request sends a command to the notifier that leads. While none does, it was
// received by nobody, and is sent again until ctx ends.
func request(ctx context.Context, b *bus.Bus, name string, c command) (reply, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return reply{}, fmt.Errorf("encode the command: %w", err)
	}
	retry := clock.Backoff{First: leaseRenew / 4, Most: leaseRenew}
	for {
		data, err := b.Request(ctx, bus.CommandNotifier+"."+name, data)
		if errors.Is(err, bus.ErrNobodyServes) && retry.Sleep(ctx) {
			continue
		}
		if err != nil {
			return reply{}, fmt.Errorf("no notifier answered: %w", err)
		}
		var r reply
		if err := json.Unmarshal(data, &r); err != nil {
			return reply{}, fmt.Errorf("the answer of the notifier is not understood: %w", err)
		}
		if r.Error != "" {
			return r, fmt.Errorf("%w: %s", errNotDone, r.Error)
		}
		return r, nil
	}
}
