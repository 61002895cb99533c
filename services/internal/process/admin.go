package process

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/authwatch/authwatch/services/internal/listen"
)

// Admin is the listener for operators and their machines: /healthz (the process
// lives), /readyz (it can do its work) and /metrics. It is the first component of
// a group, so that it answers while others still struggle, and the last to go.
type Admin struct {
	Path       string   // of the configuration key, for errors: "proxy.admin_listen"
	Address    string   // empty: no listener
	Hosts      []string // names it answers to, beside loopback names and its own
	Registry   *prometheus.Registry
	Log        *slog.Logger
	Components []Component // asked by /readyz
}

// Component returns the admin listener as a part of a [Group].
func (a Admin) Component() Component { return Component{Name: "admin", Run: a.run} }

func (a Admin) run(ctx context.Context) error {
	if a.Address == "" {
		<-ctx.Done()
		return nil
	}
	l, err := listen.Open(ctx, a.Path, a.Address)
	if err != nil {
		return err
	}
	a.Log.Info("admin listener open", "address", l.Addr().String())
	server := &http.Server{
		Handler:           a.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      30 * time.Second,
		ErrorLog:          slog.NewLogLogger(a.Log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}

func (a Admin) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", a.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.Registry, promhttp.HandlerOpts{Registry: a.Registry}))
	hosts := listen.Hosts{Listen: a.Address, Allowed: a.Hosts}
	return hosts.Handler(mux.ServeHTTP, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "this Host is not served here; add it to allowed_hosts of the service", http.StatusForbidden)
	})
}

// readiness is the body of /readyz.
type readiness struct {
	Ready    bool              `json:"ready"`
	NotReady map[string]string `json:"not_ready,omitempty"` // why, by component
}

func (a Admin) ready(w http.ResponseWriter, _ *http.Request) {
	body := readiness{Ready: true, NotReady: map[string]string{}}
	for _, c := range a.Components {
		if c.Ready == nil {
			continue
		}
		if err := c.Ready(); err != nil {
			body.Ready = false
			body.NotReady[c.Name] = err.Error()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !body.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(body)
}
