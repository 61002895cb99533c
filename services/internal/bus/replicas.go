package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/authwatch/authwatch/services/internal/clock"
)

const replicasInterval = 200 * time.Millisecond

// replicated waits, for as long as one attempt may take, until a majority of the
// replicas of every stream and durable is complete and their members no longer
// change. From then on the loss of one server loses nothing and stops nothing.
func (b *Bus) replicated(ctx context.Context, replicas int) error {
	if replicas == 1 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for _, name := range topologyStreams() {
		err := b.awaitReplicas(ctx, replicas, "$JS.API.STREAM.INFO."+name, func(ctx context.Context) (*jetstream.ClusterInfo, error) {
			s, err := b.js.Stream(ctx, name)
			if err != nil {
				return nil, err
			}
			return s.CachedInfo().Cluster, nil
		})
		if err != nil {
			return fmt.Errorf("copies of stream %s: %w", name, err)
		}
	}
	for _, d := range durables() {
		err := b.awaitReplicas(ctx, replicas, "$JS.API.CONSUMER.INFO.>", func(ctx context.Context) (*jetstream.ClusterInfo, error) {
			c, err := b.js.Consumer(ctx, d.stream, d.config.Durable)
			if err != nil {
				return nil, err
			}
			return c.CachedInfo().Cluster, nil
		})
		if err != nil {
			return fmt.Errorf("copies of consumer %s: %w", d.config.Durable, err)
		}
	}
	return nil
}

func (b *Bus) awaitReplicas(ctx context.Context, replicas int, subject string, info func(context.Context) (*jetstream.ClusterInfo, error)) error {
	for {
		var cluster *jetstream.ClusterInfo
		err := b.do(ctx, subject, func(ctx context.Context) (err error) {
			cluster, err = info(ctx)
			return err
		})
		if err != nil {
			return err
		}
		have, moving := complete(cluster), reconfiguration(cluster)
		if have > replicas/2 && moving == "" {
			return nil
		}
		if !clock.Sleep(ctx, replicasInterval) {
			return fmt.Errorf("%w: %d of %d are complete%s", ErrUnavailable, have, replicas, moving)
		}
	}
}

// reconfiguration says what a change of the group's members waits for; empty if
// there is none. Until it is done, the loss of one server may leave the group
// without a majority for as long as that server is away.
func reconfiguration(c *jetstream.ClusterInfo) string {
	switch {
	case c == nil || c.Desired == nil:
		return ""
	case c.Desired.Status == nil:
		return ", and its members still change"
	}
	return ", and its members still change: " + c.Desired.Status.Description
}

// complete counts the replicas that have everything.
func complete(c *jetstream.ClusterInfo) int {
	if c == nil || c.Leader == "" {
		return 0
	}
	n := 1
	for _, r := range c.Replicas {
		if r.Current && !r.Offline {
			n++
		}
	}
	return n
}
