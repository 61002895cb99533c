package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// past answers with what one workload left behind.
func past[T any](a *API, what string, read func(ctx context.Context, workload string, limit int) ([]T, error)) http.HandlerFunc {
	return a.ready(func(w http.ResponseWriter, r *http.Request) {
		one, ok := a.find(w, r)
		if !ok {
			return
		}
		limit, err := limitOf(r)
		if err != nil {
			Problem(w, http.StatusBadRequest, err.Error())
			return
		}
		found, err := read(r.Context(), one.Workload, limit)
		if err != nil {
			Problem(w, http.StatusServiceUnavailable, "the "+what+" cannot be read now: "+err.Error())
			return
		}
		answer(w, r, map[string][]T{what: found})
	})
}

// Transitions are the records that a workload's changes of status left, newest
// first.
func (a *API) Transitions(ctx context.Context, workload string, limit int) ([]events.Record, error) {
	return history(ctx, a.journal, bus.StreamStatus, events.TypeStatusChanged+"."+workload, limit, events.ParseStatus)
}

// Receipts are those about a workload, newest first.
func (a *API) Receipts(ctx context.Context, workload string, limit int) ([]Receipt, error) {
	return history(ctx, a.journal, bus.StreamAlert, "alert.*."+workload, limit, receiptOf)
}

// history reads the newest events of a subject. It leaves out what it cannot read.
func history[T any](ctx context.Context, j Journal, stream, filter string, limit int, parse func(event.Event) (T, error)) ([]T, error) {
	messages, err := j.History(ctx, stream, filter, limit)
	if err != nil && !errors.Is(err, bus.ErrNotFound) {
		return nil, err
	}
	found := make([]T, 0, len(messages))
	for _, m := range messages {
		if one, err := parse(m.Event); err == nil {
			found = append(found, one)
		}
	}
	return found, nil
}

// Receipt says whether a receiver accepted a message, and when.
type Receipt struct {
	ID   string    `json:"id"` // of the event
	Type string    `json:"type"`
	Time time.Time `json:"time"`
	events.Receipt
}

func receiptOf(e event.Event) (Receipt, error) {
	r, err := events.ParseReceipt(e)
	return Receipt{ID: e.ID(), Type: e.Type(), Time: e.Time(), Receipt: r}, err
}
