// Package api serves the status of the workloads over HTTP. It only reads.
package api

import (
	"context"
	"fmt"
	"net/http"

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
	reading chan struct{} // the replays that read now
}

// New returns the API; document is its OpenAPI description.
func New(r Reader, j Journal, f *Feed, document []byte) *API {
	return &API{reader: r, journal: j, feed: f, openapi: document, reading: make(chan struct{}, maxReading)}
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

func (a *API) document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(a.openapi)
}
