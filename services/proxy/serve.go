package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/advice"
	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/forward"
	"github.com/authwatch/authwatch/services/proxy/mcp"
	"github.com/authwatch/authwatch/services/proxy/shield"
	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// retryAfter is what a shielded client is told, in seconds.
const retryAfter = 30

// exchange is one request to a workload.
type exchange struct {
	forward.Exchange
	w         *workload
	snapshot  *credential.Snapshot // what is attached; nil with passthrough
	discovery bool
	start     time.Time
	reason    string // of the verdict, for the access log
}

// serve answers a request whose path below the mount point is rest.
//
// The stack below here is that of an open stream. Outgrowing 8 KiB doubles it,
// so large values stay out of the frames on the way to the body's copying.
func (w *workload) serve(rw http.ResponseWriter, r *http.Request, target *forward.Target, rest string) (*exchange, outcome) {
	x := &exchange{w: w, start: time.Now(), discovery: mcp.IsDiscovery(rest)}
	w.used.Store(x.start.UnixNano())
	x.Writer, x.Request, x.Target, x.Rest = rw, r, target, rest
	x.LegacySSE, x.Judge = w.mcp, x
	w.metrics.open.Inc()
	out := x.run()
	w.metrics.open.Dec()
	w.metrics.requests[out].Inc()
	return x, out
}

func (x *exchange) run() outcome {
	defer x.Finish()
	w := x.w
	switch {
	case forward.Climbs(x.Rest):
		x.refuse(shield.Answer{
			Status: http.StatusBadRequest, Code: shield.CodeRefused, Reason: "path",
			Message: "the path leads out of the workload",
		})
		return outRefused
	case w.mcp && x.discovery:
		// Else the client's OAuth discovery would carry the workload's token along.
		x.refuse(shield.Answer{
			Status: http.StatusNotFound, Code: shield.CodeRefused, Reason: "discovery",
			Message: w.cfg.Name + ": there is no OAuth here; the proxy attaches the workload's credential",
		})
		return outDiscovery
	}
	if w.source != nil {
		if x.snapshot = w.credential(x.Request.Context()); !x.snapshot.Usable() {
			x.noCredential()
			return outNoCredential
		}
		x.Authorization = x.snapshot.Authorization()
	}
	out, err := w.upstream.Forward(&x.Exchange)
	return x.finish(outcomeOf[out], err)
}

// finish answers the client where nobody has.
func (x *exchange) finish(out outcome, err error) outcome {
	w := x.w
	switch out {
	case outUnreachable, outTimedOut:
		reason := outbound.Why(err)
		if w.reach.failed(time.Now(), reason) {
			w.log.Warn("upstream is unreachable", "reason", reason, "err", hideURL(err))
			w.news()
		}
		a := shield.Answer{
			Status: http.StatusBadGateway, Code: shield.CodeUnreachable, Reason: "unreachable",
			Message: fmt.Sprintf("%s: the upstream cannot be reached: %s", w.cfg.Name, reason),
		}
		if out == outTimedOut {
			a.Status = http.StatusGatewayTimeout
		}
		x.refuse(a)
	case outTooLarge:
		x.refuse(shield.Answer{
			Status: http.StatusRequestEntityTooLarge, Code: shield.CodeRefused, Reason: "too_large",
			Message: w.cfg.Name + ": the request body is larger than proxy.limits.request_body allows",
		})
	case outBadRequest:
		x.refuse(shield.Answer{
			Status: http.StatusBadRequest, Code: shield.CodeRefused, Reason: "bad_request",
			Message: w.cfg.Name + ": the request body could not be read",
		})
	case outCut:
		w.log.Debug("answer cut short by the upstream", "err", err)
	}
	return out
}

// Answer implements [forward.Judge]: it says what the answer means for the
// credential, and takes over a rejected one when the workload is shielded.
func (x *exchange) Answer(_ *forward.Exchange, resp *http.Response) bool {
	w, now := x.w, time.Now()
	w.metrics.duration.Observe(now.Sub(x.start).Seconds())
	x.reached(resp.StatusCode, now)
	if x.snapshot == nil {
		return true
	}
	v := x.verdict(resp)
	w.metrics.verdicts[v.Kind].Inc()
	switch v.Kind {
	case verdict.Nothing:
		return true
	case verdict.Accepted:
		if w.observer.settled.Load() == x.snapshot.Generation {
			return true
		}
		x.tell(verdict.Accepted, now, resp, v)
		return true
	case verdict.Forbidden:
		x.reason = v.Reason
		x.tell(verdict.Forbidden, now, resp, v)
		return true
	}
	x.reason = v.Reason
	x.tell(verdict.Rejected, now, resp, v)
	if !w.shielded {
		return true
	}
	x.refuse(shield.Answer{
		Status: http.StatusServiceUnavailable, Code: shield.CodeUnauthorized, Reason: v.Reason,
		Message: x.advise(advice.Case{
			Status: events.StatusUnauthenticated, Reason: v.Reason,
			Response: &events.Response{Status: resp.StatusCode, Challenge: v.Challenge.Event()},
		}),
		RetryAfter: retryAfter,
	})
	return false
}

func (x *exchange) verdict(resp *http.Response) verdict.Verdict {
	a := verdict.Answer{Method: x.Request.Method, Discovery: x.discovery, Status: resp.StatusCode}
	if resp.StatusCode >= 400 {
		a.Challenges = verdict.ParseChallenges(resp.Header["Www-Authenticate"], x.snapshot.Token)
	}
	return verdict.Judge(a)
}

// tell reports to the observer. Which class of request it was is only looked up
// when that matters: it may take parsing the body.
func (x *exchange) tell(kind verdict.Kind, now time.Time, resp *http.Response, v verdict.Verdict) {
	w, r := x.w, x.Request
	a := tracker.Answer{
		Generation: x.snapshot.Generation, Sent: x.start, At: now, Verdict: kind, Scopes: v.Scopes,
		Class:       tracker.Class{Method: r.Method, Path: events.CleanText(resp.Request.URL.Path, maxPath)},
		Response:    events.Response{Status: resp.StatusCode, Challenge: v.Challenge.Event()},
		TraceParent: r.Header.Get("Traceparent"),
	}
	if w.mcp {
		a.Class.MCPMethod, a.MCPName = r.Header.Get("Mcp-Method"), r.Header.Get("Mcp-Name")
		if a.Class.MCPMethod == "" {
			a.Class.MCPMethod, a.MCPName = mcp.Call(x.Body)
		}
		a.Class.MCPMethod = events.CleanText(a.Class.MCPMethod, maxMCP)
		a.MCPName = events.CleanText(a.MCPName, maxMCP)
	}
	w.observer.answer(a)
}

// What comes from clients is bounded before it goes into an event.
const (
	maxPath = 512
	maxMCP  = 256
)

// reached keeps track of gateways that answer for an upstream that does not.
func (x *exchange) reached(status int, now time.Time) {
	w := x.w
	if isGateway(status) {
		if w.reach.failed(now, fmt.Sprintf("it answers %d", status)) {
			w.log.Warn("upstream is unreachable", "status", status)
			w.news()
		}
		return
	}
	if w.reach.answered(now) {
		w.log.Info("upstream answers again")
		w.news()
	}
}

func (x *exchange) refuse(a shield.Answer) {
	a.Workload = x.w.cfg.Name
	x.Status = a.Status
	x.Bytes = shield.Write(x.Writer, x.Request, a, x.w.mcp, x.Body)
}

func (x *exchange) noCredential() {
	s := x.snapshot
	a := shield.Answer{
		Status: http.StatusServiceUnavailable, Code: shield.CodeUnauthorized, Reason: s.Problem, RetryAfter: retryAfter,
		Message: x.advise(advice.Case{Status: events.StatusMissing, Reason: s.Problem, Detail: s.Detail}),
	}
	if s.Problem == "" {
		a.Reason, a.RetryAfter = "not_loaded", 1
		a.Message = x.w.cfg.Name + ": the credential has not been read yet"
	}
	x.reason = a.Reason
	if x.w.mcp {
		x.Body = readID(x.Request)
	}
	x.refuse(a)
}

// advise gives a client the words of the workload's record.
func (x *exchange) advise(c advice.Case) string {
	c.Source = events.ParseSource(x.snapshot.Source)
	return x.w.cfg.Name + ": " + c.Text()
}

// hideURL takes the address, whose query may hold a secret, out of an error.
func hideURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}
