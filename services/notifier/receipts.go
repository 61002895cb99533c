package notifier

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// source is the same for every replica: a message that another one repeats after
// a crash is the same event, by source and id.
const source = "urn:authwatch:notifier"

// receiptAttempts bounds the attempts to publish a receipt. The alert itself does
// not wait for longer.
const receiptAttempts = 5

// receipts says what came of deliveries, in the log and on the bus.
type receipts struct {
	bus   *bus.Bus
	clock clock.Clock
	log   *slog.Logger
}

// report publishes a receipt for each workload of a delivery that was accepted or
// given up just now, so that the history of a workload shows who got its alerts.
func (rs *receipts) report(ctx context.Context, d *plan.Delivery, m receiver.Message, r plan.Result, failed bool, took time.Duration) {
	log := rs.log.With("receiver", m.Receiver, "kind", d.Kind, "workload", d.Members[0].Workload,
		"workloads", len(d.Members), "attempt", d.Attempts, "delivery_id", d.ID)
	typ := events.TypeAlertDelivered
	switch {
	case r.Outcome == plan.Delivered && r.Error != "":
		log.Warn("alert delivered in part", "err", r.Error)
	case r.Outcome == plan.Delivered:
		log.Info("alert delivered")
	case failed:
		typ = events.TypeAlertFailed
		log.Error("alert not delivered", "status", r.Status, "err", r.Error)
	default:
		log.Warn("alert not delivered, will retry", "status", r.Status, "err", r.Error, "retry_in", d.Wait.Round(time.Millisecond))
		return
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i, member := range d.Members {
		trace := ""
		member.Workload = strings.TrimPrefix(member.Workload, warningPrefix)
		if isSelfAlert(d) {
			member = plan.Member{}
		} else {
			trace = traceOf(m.Workloads[i])
		}
		g.Go(func() error {
			rs.publish(ctx, typ, trace, events.Receipt{
				Receiver: m.Receiver, DeliveryID: d.ID, Kind: m.Kind, Incident: member.Incident,
				Workload: member.Workload, Attempts: d.Attempts, DurationMS: took.Milliseconds(),
				StatusCode: r.Status, Error: r.Error, Output: r.Output,
			})
			return nil
		})
	}
	_ = g.Wait()
}

func (rs *receipts) publish(ctx context.Context, typ, trace string, r events.Receipt) {
	e, err := events.New(typ, source, r.Workload, rs.clock.Now(), r)
	if err == nil {
		events.SetTraceParent(&e, trace)
		err = rs.attempt(ctx, func() error { return rs.bus.Publish(ctx, e) })
	}
	if err != nil {
		rs.log.Error("receipt is lost", "receiver", r.Receiver, "delivery_id", r.DeliveryID, "err", err)
	}
}

func (rs *receipts) attempt(ctx context.Context, publish func() error) error {
	retry := newRetry(rs.log)
	for {
		err := publish()
		if err == nil || errors.Is(err, bus.ErrRefused) || retry.Failures == receiptAttempts-1 || retry.wait(ctx, err) != nil {
			return err
		}
	}
}
