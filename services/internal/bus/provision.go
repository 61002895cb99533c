package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Provisioning says what to make of the topology.
type Provisioning struct {
	Replicas int  // copies of each stream; 0: as many as there are, of a new stream as many as of the others
	Force    bool // limits that somebody else has raised are set back
}

// Provision makes the streams, buckets and durables that the services need, and
// brings existing ones up to date. It may be called again at any time. What is in
// the way, and what cannot be changed in place, is found out and named before
// anything is changed: a stream that this program did not make is left as it is,
// and so is what a newer version provisioned. Limits that were raised are kept. On
// several servers it returns when a majority of the replicas is complete, so one
// server may be down.
//
// The user needs $JS.API.>. A bus that has provisioned once also puts back what is
// deleted.
func (b *Bus) Provision(ctx context.Context, replicas int) error {
	_, err := b.Apply(ctx, Provisioning{Replicas: replicas})
	return err
}

// Apply is Provision, and returns what it has changed.
func (b *Bus) Apply(ctx context.Context, p Provisioning) ([]Change, error) {
	b.provision.Lock()
	defer b.provision.Unlock()
	changes, err := b.Plan(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		if err := b.apply(ctx, c); err != nil {
			return nil, fmt.Errorf("provision %s: %w", c.what(), err)
		}
	}
	if err := b.replicated(ctx, Replicas(changes)); err != nil {
		return nil, fmt.Errorf("provision: %w", err)
	}
	b.streams.forget()
	b.owner.Store(true)
	b.inspection.soon()
	b.canary.soon()
	return changes, nil
}

// Plan returns what Apply would change, in its order, and changes nothing.
func (b *Bus) Plan(ctx context.Context, p Provisioning) ([]Change, error) {
	if err := b.checkVersion(); err != nil {
		return nil, fmt.Errorf("provision: %w", err)
	}
	var found []*jetstream.StreamInfo
	replicas := p.Replicas
	for _, want := range topology(1) {
		info, err := b.existing(ctx, want.Name)
		if err != nil {
			return nil, fmt.Errorf("provision %s: %w", nameOf(want), err)
		}
		found = append(found, info)
		if p.Replicas == 0 && info != nil && ours(info.Config.Metadata) {
			replicas = max(replicas, info.Config.Replicas)
		}
	}
	var changes []Change
	var wrong []error
	for n, want := range topology(max(replicas, 1)) {
		c, err := b.planStream(ctx, want, found[n], p)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("provision %s: %w", nameOf(want), err))
		}
		changes = append(changes, c)
	}
	for _, d := range durables() {
		c, err := b.planDurable(ctx, d)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("provision consumer %s of %s: %w", d.config.Durable, d.stream, err))
		}
		changes = append(changes, c)
	}
	return changes, errors.Join(wrong...)
}

// existing returns what is there under a stream's name; nil: nothing.
func (b *Bus) existing(ctx context.Context, name string) (info *jetstream.StreamInfo, err error) {
	err = b.do(ctx, "$JS.API.STREAM.INFO."+name, func(ctx context.Context) error {
		s, err := b.js.Stream(ctx, name)
		if err == nil {
			info = s.CachedInfo()
		}
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return nil, nil //nolint:nilnil // documented
	}
	return info, err
}

func (b *Bus) planStream(ctx context.Context, want jetstream.StreamConfig, is *jetstream.StreamInfo, p Provisioning) (Change, error) {
	if is == nil {
		others, err := b.others(ctx, want)
		if err != nil {
			return Change{}, err
		}
		if len(others) > 0 {
			return Change{}, fmt.Errorf("%w: its subjects are taken by stream %s: remove it or its subjects, or use another account",
				ErrRefused, strings.Join(others, " "))
		}
		return Change{Action: Create, stream: want}, nil
	}
	was := is.Config
	if !ours(was.Metadata) {
		return Change{}, fmt.Errorf("%w: it is there and not authwatch's (no metadata %s; %s storage, subjects %s, %d messages): "+
			"rename or remove it, or use another account; one of authwatch's own that lost its metadata gets it back with: nats stream edit %s --metadata %s=%d",
			ErrRefused, metadataVersion, was.Storage, strings.Join(was.Subjects, " "), is.State.Msgs, want.Name, metadataVersion, topologyVersion)
	}
	if newer(was.Metadata) {
		return Change{Action: Leave, stream: was, Why: "a newer version made it"}, nil
	}
	if was.Storage != want.Storage || was.Retention != want.Retention {
		return Change{}, fmt.Errorf("%w: it exists with %s storage and %s retention, which cannot be changed: back it up, delete it and provision again",
			ErrRefused, was.Storage, was.Retention)
	}
	return changeStream(was, want, p), nil
}

// others are the streams that have subjects of cfg.
func (b *Bus) others(ctx context.Context, cfg jetstream.StreamConfig) (names []string, err error) {
	err = b.do(ctx, "$JS.API.STREAM.NAMES", func(ctx context.Context) error {
		list := b.js.StreamNames(ctx, jetstream.WithStreamListSubject(cfg.Subjects[0]))
		for name := range list.Name() {
			names = append(names, name)
		}
		return list.Err()
	})
	return names, err
}

func (b *Bus) planDurable(ctx context.Context, d durable) (Change, error) {
	var info *jetstream.ConsumerInfo
	err := b.do(ctx, "$JS.API.CONSUMER.INFO.>", func(ctx context.Context) error {
		c, err := b.js.Consumer(ctx, d.stream, d.config.Durable)
		if err == nil {
			info = c.CachedInfo()
		}
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return Change{Action: Create, durable: d}, nil
	case err != nil:
		return Change{}, err
	}
	was := info.Config
	switch {
	case !ours(was.Metadata):
		return Change{}, fmt.Errorf("%w: it is there and not authwatch's (no metadata %s): remove it", ErrRefused, metadataVersion)
	case newer(was.Metadata):
		return Change{Action: Leave, durable: d, Why: "a newer version made it"}, nil
	case was.DeliverPolicy != d.config.DeliverPolicy || was.AckPolicy != d.config.AckPolicy:
		return Change{}, fmt.Errorf("%w: it exists with delivery policy %s and ack policy %s, which cannot be changed: delete it and provision again",
			ErrRefused, was.DeliverPolicy, was.AckPolicy)
	}
	return changeDurable(was, d), nil
}

// apply makes one change.
func (b *Bus) apply(ctx context.Context, c Change) error {
	switch {
	case c.Action == Leave:
		return nil
	case c.durable.stream != "":
		return b.do(ctx, "$JS.API.CONSUMER.>", func(ctx context.Context) (err error) {
			if c.Action == Create {
				_, err = b.js.CreateConsumer(ctx, c.durable.stream, c.durable.config)
			} else {
				_, err = b.js.UpdateConsumer(ctx, c.durable.stream, c.durable.config)
			}
			return err
		})
	}
	return b.do(ctx, "$JS.API.STREAM.>", func(ctx context.Context) (err error) {
		if c.Action == Create {
			_, err = b.js.CreateStream(ctx, c.stream)
		} else {
			_, err = b.js.UpdateStream(ctx, c.stream)
		}
		return err
	})
}
