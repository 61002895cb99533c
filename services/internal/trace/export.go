package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/internal/outbound"
)

const (
	maxBatch       = 512
	batchWait      = time.Second // for more spans after the first one
	attemptTimeout = 10 * time.Second
	firstBackoff   = time.Second
	maxBackoff     = 30 * time.Second
	flushTimeout   = 3 * time.Second // for what is held when the process stops
)

// errRefused: the collector will not take these spans at any time.
var errRefused = errors.New("refused")

// Run exports until ctx ends, and then gives what is held a last chance. It
// starts before the services and stops after them.
func (t *Tracer) Run(ctx context.Context) error {
	if t == nil {
		<-ctx.Done()
		return nil
	}
	defer t.client.CloseIdleConnections()
	var batch []*tracepb.Span
	failing := false
	for {
		if batch = t.gather(ctx, batch); ctx.Err() != nil {
			break
		}
		batch, failing = t.deliver(ctx, batch, failing)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	for {
		batch = t.fill(batch)
		if len(batch) == 0 {
			return nil
		}
		if err := t.attempt(last, batch); err != nil {
			t.dropped.Add(float64(len(batch) + len(t.queue)))
			t.log.Warn("spans are lost, the collector does not take them", "spans", len(batch)+len(t.queue), "err", err)
			return nil
		}
		batch = nil
	}
}

// gather waits for a span, and a moment for those that belong to it.
func (t *Tracer) gather(ctx context.Context, batch []*tracepb.Span) []*tracepb.Span {
	select {
	case <-ctx.Done():
		return batch
	case s := <-t.queue:
		batch = append(batch, s)
	}
	clock.Sleep(ctx, batchWait)
	return t.fill(batch)
}

// fill adds what is there.
func (t *Tracer) fill(batch []*tracepb.Span) []*tracepb.Span {
	for len(batch) < maxBatch {
		select {
		case s := <-t.queue:
			batch = append(batch, s)
		default:
			return batch
		}
	}
	return batch
}

// deliver exports a batch, however long that takes; meanwhile the queue fills.
// It returns what is left when ctx ended, and whether the latest attempt failed.
func (t *Tracer) deliver(ctx context.Context, batch []*tracepb.Span, failing bool) ([]*tracepb.Span, bool) {
	for pause := (clock.Backoff{First: firstBackoff, Most: maxBackoff}); ; {
		err := t.attempt(ctx, batch)
		switch {
		case ctx.Err() != nil && err != nil:
			return batch, failing
		case err == nil && failing:
			t.log.Info("spans are exported again")
		case err != nil && !failing:
			t.log.Warn("spans cannot be exported; nothing else is held up", "err", err)
		}
		failing = err != nil
		switch {
		case err == nil:
			return nil, failing
		case errors.Is(err, errRefused):
			t.dropped.Add(float64(len(batch)))
			return nil, failing
		}
		if !pause.Sleep(ctx) {
			return batch, failing
		}
	}
}

// attempt makes one request (OTLP specification, section OTLP/HTTP).
func (t *Tracer) attempt(ctx context.Context, batch []*tracepb.Span) error {
	body, err := proto.Marshal(&collectorpb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   t.resource,
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{Name: "authwatch"}, Spans: batch}},
	}}})
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	if req.Header, err = t.cfg.header(); err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "authwatch")
	resp, err := t.client.Do(req)
	if err != nil {
		return errors.New(outbound.Detail(err))
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code >= http.StatusBadGateway && code <= http.StatusGatewayTimeout:
		return fmt.Errorf("the collector answered %s", resp.Status)
	case code < 200 || code > 299:
		return fmt.Errorf("%w: the collector answered %s", errRefused, resp.Status)
	}
	var said collectorpb.ExportTraceServiceResponse
	rejected := 0.0
	if err == nil && proto.Unmarshal(answer, &said) == nil {
		rejected = float64(min(max(said.GetPartialSuccess().GetRejectedSpans(), 0), int64(len(batch))))
	}
	t.dropped.Add(rejected)
	t.exported.Add(float64(len(batch)) - rejected)
	return nil
}
