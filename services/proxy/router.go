package proxy

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/authwatch/authwatch/services/proxy/forward"
	"github.com/authwatch/authwatch/services/proxy/guard"
	"github.com/authwatch/authwatch/services/proxy/shield"
)

var (
	closing = guard.Refusal{Status: http.StatusServiceUnavailable, Reason: reasonPath, Text: "no longer served here"}
	loop    = guard.Refusal{Status: http.StatusLoopDetected, Reason: reasonLoop, Text: "the upstream is this proxy itself, by another name; correct upstream in the configuration"}
	unknown = guard.Refusal{Status: http.StatusNotFound, Reason: reasonPath, Text: "no such workload; the first part of the path names it"}
)

// handler serves one listener from the current table.
type handler struct {
	table   *atomic.Pointer[table]
	addr    string
	via     string
	metrics *metrics
	log     *slog.Logger
}

func (h *handler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	t := h.table.Load()
	rt := t.listeners[h.addr]
	if rt == nil { // it is closing
		h.refuse(rw, r, &closing)
		return
	}
	if loops(r.Header, h.via) { // before anything else looks like the upstream's
		h.refuse(rw, r, &loop)
		return
	}
	path, _, _ := forward.Split(r.RequestURI)
	w, rest := rt.own, path
	if w == nil {
		w, rest = t.byName(path)
	} else if path == "/" {
		rest = ""
	}
	if no := rt.guard.Check(r, w != nil && w.source == nil); no != nil {
		h.refuse(rw, r, no)
		return
	}
	if w == nil {
		h.refuse(rw, r, &unknown)
		return
	}
	if guard.IsPreflight(r) {
		h.preflight(rw, r)
		return
	}
	target := &w.atName
	if rt.own != nil {
		target = &w.atRoot
	}
	x, out := w.serve(rw, r, target, rest)
	if t.cfg.AccessLog {
		h.logAccess(x, path, out)
	}
	x.Finish()
}

func (h *handler) logAccess(x *exchange, path string, out outcome) {
	h.log.Info("request", "workload", x.w.cfg.Name, "method", x.Request.Method, "path", path, "status", x.Status,
		"outcome", out.String(), "reason", x.reason, "bytes", x.Bytes, "duration_ms", time.Since(x.start).Milliseconds())
}

// preflight answers what the guard has let in: the upstream does not know which
// pages may use the proxy.
func (h *handler) preflight(rw http.ResponseWriter, r *http.Request) {
	x := forward.Exchange{Writer: rw, Request: r, Whole: true}
	x.LeaveBody()
	shield.WritePreflight(rw, r)
	x.Finish()
	if h.table.Load().cfg.AccessLog {
		h.log.Info("request", "method", r.Method, "status", http.StatusNoContent, "outcome", "preflight")
	}
}

// refuse answers before any workload is involved, as JSON-RPC if the request
// looks like MCP.
func (h *handler) refuse(rw http.ResponseWriter, r *http.Request, no *guard.Refusal) {
	h.metrics.refused.WithLabelValues(string(no.Reason)).Inc()
	a := shield.Reply{Status: no.Status, Code: shield.CodeRefused, Reason: string(no.Reason), Message: no.Text}
	if no.Readable() {
		a.Origin = r.Header.Get("Origin")
	}
	if no.Status == http.StatusUnauthorized {
		a.Challenge = `Bearer realm="authwatch proxy"`
	}
	x := forward.Exchange{Writer: rw, Request: r, Whole: true}
	x.LeaveBody()
	rpc := r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/json")
	shield.Write(rw, r, a, rpc, nil)
	if h.table.Load().cfg.AccessLog {
		h.log.Info("request", "method", r.Method, "status", no.Status, "outcome", "refused", "reason", string(no.Reason))
	}
	x.Finish()
}
