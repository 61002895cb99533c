// Package api serves the status of the workloads over HTTP. It only reads.
package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// Reader has the current workloads.
type Reader interface {
	Workloads() []Workload // by name
	Workload(name string) (Workload, bool)
	// Ready is an error until the records have been read from the stream.
	Ready() error
}

// Journal has what was written.
type Journal interface {
	History(ctx context.Context, stream, filter string, limit int) ([]bus.Message, error)
	Each(ctx context.Context, stream, filter string, from uint64, lastPerSubject bool, fn func(bus.Message) error) error
}

// API is the HTTP interface described by openapi.yaml.
type API struct {
	reader  Reader
	journal Journal
	feed    *Feed
	openapi []byte
}

// New returns the API; document is its OpenAPI description.
func New(r Reader, j Journal, f *Feed, document []byte) *API {
	return &API{reader: r, journal: j, feed: f, openapi: document}
}

// Handler serves the API.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/workloads", a.ready(a.list))
	mux.HandleFunc("GET /api/v1/workloads/{name}", a.ready(a.one))
	mux.HandleFunc("GET /api/v1/workloads/{name}/history", past(a, "transitions", a.Transitions))
	mux.HandleFunc("GET /api/v1/workloads/{name}/receipts", past(a, "receipts", a.Receipts))
	mux.HandleFunc("GET /api/v1/events", a.ready(a.events))
	mux.HandleFunc("GET /openapi.yaml", a.document)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			Problem(w, http.StatusMethodNotAllowed, "this API only reads")
			return
		}
		Problem(w, http.StatusNotFound, "nothing is served at "+r.URL.Path)
	})
	return mux
}

func (a *API) ready(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := a.reader.Ready(); err != nil {
			w.Header().Set("Retry-After", "1")
			Problem(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		next(w, r)
	}
}

func (a *API) list(w http.ResponseWriter, r *http.Request) {
	match, err := filterOf(r)
	if err != nil {
		Problem(w, http.StatusBadRequest, err.Error())
		return
	}
	all := a.reader.Workloads()
	found := make([]Workload, 0, len(all))
	for _, one := range all {
		if match(one) {
			found = append(found, one)
		}
	}
	answer(w, r, map[string][]Workload{"workloads": found})
}

func (a *API) one(w http.ResponseWriter, r *http.Request) {
	if one, ok := a.find(w, r); ok {
		answer(w, r, one)
	}
}

func (a *API) find(w http.ResponseWriter, r *http.Request) (Workload, bool) {
	name := r.PathValue("name")
	one, ok := a.reader.Workload(name)
	if !ok {
		Problem(w, http.StatusNotFound, fmt.Sprintf("no workload is called %q", name))
	}
	return one, ok
}

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

func (a *API) document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(a.openapi)
}
