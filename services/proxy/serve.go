package proxy

import (
	"io"
	"net/http"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/advice"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/forward"
	"github.com/authwatch/authwatch/services/proxy/mcp"
	"github.com/authwatch/authwatch/services/proxy/rule"
	"github.com/authwatch/authwatch/services/proxy/shield"
	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// exchange is one request to a workload.
type exchange struct {
	forward.Exchange
	w         *workload
	snapshot  *credential.Snapshot // what is attached; nil with passthrough
	discovery bool
	start     time.Time
	reason    string // of the verdict, for the access log
	unread    *unread
}

// serve answers a request whose path below the mount point is rest. The caller
// finishes the exchange.
//
// The stack below here is that of an open stream. Outgrowing 8 KiB doubles it,
// so large values stay out of the frames on the way to the body's copying.
func (w *workload) serve(rw http.ResponseWriter, r *http.Request, target *forward.Target, rest string) (*exchange, outcome) {
	x := &exchange{w: w, start: time.Now(), discovery: mcp.IsDiscovery(rest)}
	w.used.Store(x.start.UnixNano())
	x.Writer, x.Request, x.Target, x.Rest, x.MCP = rw, r, target, rest, w.mcp
	w.metrics.open.Inc()
	defer w.metrics.open.Dec()
	out := x.run()
	w.metrics.requests[out].Inc()
	return x, out
}

func (x *exchange) run() outcome {
	if out, refused := x.turnAway(); refused {
		return out
	}
	if err := x.w.upstream.Receive(&x.Exchange); err != nil {
		return x.failed(err)
	}
	if out, refused := x.attach(); refused {
		return out
	}
	resp, err := x.w.upstream.Send(&x.Exchange) //nolint:bodyclose // Pass and Discard close it
	if err != nil {
		return x.failed(err)
	}
	if x.replaced(resp) {
		x.Discard(resp)
		return outShielded
	}
	if err := x.Pass(resp); err != nil {
		return x.failed(err)
	}
	if x.Status == http.StatusSwitchingProtocols {
		return outUpgraded
	}
	x.bodyPassed(resp)
	return outForwarded
}

// turnAway answers what is not sent upstream.
func (x *exchange) turnAway() (out outcome, refused bool) {
	w := x.w
	switch {
	case forward.Climbs(x.Rest):
		x.refuse(shield.Reply{
			Status: http.StatusBadRequest, Code: shield.CodeRefused, Reason: "path",
			Message: "the path leads out of the workload",
		})
		return outRefused, true
	case w.mcp && x.discovery:
		// Else the client's OAuth discovery would carry the workload's token along.
		x.refuse(shield.Reply{
			Status: http.StatusNotFound, Code: shield.CodeRefused, Reason: "discovery",
			Message: "there is no OAuth here; the proxy attaches the workload's credential",
		})
		return outDiscovery, true
	case w.source == nil:
		return out, false
	}
	if x.snapshot = w.credential(x.Request.Context()); !x.snapshot.Usable() {
		if w.mcp {
			x.Glance() // for the id
		}
		x.noCredential()
		return outNoCredential, true
	}
	return out, false
}

// attach takes the newest credential: reading the request may have taken a while.
func (x *exchange) attach() (out outcome, refused bool) {
	w := x.w
	if w.source == nil {
		return out, false
	}
	if x.snapshot = w.source.Current(); !x.snapshot.Usable() {
		x.noCredential()
		return outNoCredential, true
	}
	x.Credential = x.snapshot.Header()
	if w.rules.ReadsBodies() {
		readable(x.Request.Header)
	}
	return out, false
}

// replaced reports what the upstream's answer says about the credential. It
// answers in its place, and returns true, if the credential is rejected and the
// workload shielded.
func (x *exchange) replaced(resp *http.Response) bool {
	w, now := x.w, time.Now()
	w.metrics.duration.Observe(now.Sub(x.start).Seconds())
	w.reach.answered(resp.StatusCode)
	if x.snapshot == nil {
		return false
	}
	x.opened(resp)
	if at, ok := rule.Expiry(resp.Header, now); ok {
		w.source.Learn(x.snapshot.Generation, at)
	}
	v := x.verdict(resp)
	if x.readsBody(resp, v) {
		return false
	}
	a, news := x.observe(now, resp, v)
	if !news || v.Kind != verdict.Rejected || !w.shielded {
		return false
	}
	x.refuse(refusal(a, v, w.observer.rule(x.Context(), a), x.snapshot.Source))
	return true
}

// observe reports a verdict that may change something, and returns it as it was
// observed.
func (x *exchange) observe(now time.Time, resp *http.Response, v verdict.Verdict) (a tracker.Answer, news bool) {
	w := x.w
	w.metrics.verdicts[v.Kind].Inc()
	x.reason = v.Reason
	if v.Kind == verdict.Nothing || v.Kind == verdict.Accepted && w.observer.needless(x.snapshot.Generation, now) {
		return a, false
	}
	a = x.evidence(now, resp, v)
	w.observer.answer(a)
	return a, true
}

// readsBody arranges for the body to be copied while it passes, if a rule may
// find something there. What the head says then waits for it.
func (x *exchange) readsBody(resp *http.Response, head verdict.Verdict) bool {
	if x.discovery || resp.Body == http.NoBody ||
		head.Rule != "" || head.Kind != verdict.Nothing && head.Kind != verdict.Accepted {
		return false
	}
	c := x.w.rules.Watch(rule.Of(x.Request.Method, resp), resp.ContentLength)
	if c == nil {
		return false
	}
	if !c.Readable() {
		x.w.unreadable.Do(func() {
			x.w.log.Warn("answers are compressed in a way that rules cannot read; their bodies say nothing", "encoding", resp.Header.Get("Content-Encoding"))
		})
		head = verdict.Verdict{}
	}
	resp.Body = copied{io.TeeReader(resp.Body, c), resp.Body}
	x.unread = &unread{copy: c, head: head}
	return true
}

// bodyPassed judges an answer that the client has got whole.
func (x *exchange) bodyPassed(resp *http.Response) {
	if x.unread == nil {
		return
	}
	v, ok := x.unread.copy.End()
	if !ok {
		v = x.unread.head
	}
	x.observe(time.Now(), resp, v)
}

// failed answers the client where the upstream did not.
func (x *exchange) failed(err error) outcome {
	e, why := endingOf(err)
	switch e.contact {
	case spoke:
		x.w.reach.spoke()
	case noAnswer:
		x.w.reach.noAnswer()
	case away:
		x.w.reach.failed(why, err)
	case silent:
	}
	if e.reply.Status != 0 {
		x.refuse(e.reply)
	}
	return e.outcome
}

// opened takes in that the answer opens an MCP session.
func (x *exchange) opened(resp *http.Response) {
	const sessionID = "Mcp-Session-Id"
	if id := resp.Header[sessionID]; x.w.mcp && len(id) == 1 && x.Request.Header[sessionID] == nil {
		x.w.observer.opened(id[0], x.start, x.snapshot.Generation)
	}
}

func (x *exchange) verdict(resp *http.Response) verdict.Verdict {
	if v, ok := x.w.rules.Head(rule.Of(x.Request.Method, resp)); ok && !x.discovery {
		return v
	}
	a := verdict.Response{
		Method: x.Request.Method, Accept: x.Request.Header.Get("Accept"), Discovery: x.discovery,
		Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"), Scheme: x.snapshot.Scheme,
	}
	if resp.StatusCode >= 300 {
		a.Challenges = x.w.challenges.Challenges(resp.Header["Www-Authenticate"], x.snapshot.Secrets())
	}
	return verdict.Judge(a)
}

// evidence is the answer as it is observed. Which class of request it was is only
// looked up when that matters: it may take parsing the body.
func (x *exchange) evidence(now time.Time, resp *http.Response, v verdict.Verdict) tracker.Answer {
	w, r := x.w, x.Request
	a := tracker.Answer{
		Generation: x.snapshot.Generation, Sent: x.start, At: now, Verdict: v.Kind, Scopes: v.Scopes,
		Class:       tracker.Class{Method: r.Method, Path: events.CleanText(resp.Request.URL.Path, maxPath)},
		Response:    v.Response(resp.StatusCode),
		TraceParent: r.Header.Get("Traceparent"),
		Strong:      v.Strong,
		FromBody:    v.FromBody,
		Later:       v.Kind == verdict.Rejected && verdict.Later(resp.Header),
	}
	if w.mcp {
		a.Class.MCPMethod, a.MCPName = r.Header.Get("Mcp-Method"), r.Header.Get("Mcp-Name")
		if a.Class.MCPMethod == "" {
			a.Class.MCPMethod, a.MCPName = mcp.Call(x.Body)
		}
		a.Class.MCPMethod = events.CleanText(a.Class.MCPMethod, maxMCP)
		a.MCPName = events.CleanText(a.MCPName, maxMCP)
		a.Session = w.observer.session(r.Header.Get("Mcp-Session-Id"))
	}
	return a
}

// What comes from clients is bounded before it goes into an event.
const (
	maxPath = 512
	maxMCP  = 256
)

func (x *exchange) refuse(a shield.Reply) {
	a.Workload = x.w.cfg.Name
	a.Message = a.Workload + ": " + a.Message
	a.Origin = x.Request.Header.Get("Origin") // the guard let it in
	x.LeaveBody()
	x.Status, x.Whole = a.Status, true
	x.Bytes = shield.Write(x.Writer, x.Request, a, x.w.mcp, x.Body)
}

func (x *exchange) noCredential() {
	s := x.snapshot
	a := shield.Reply{
		Status: http.StatusServiceUnavailable, Code: shield.CodeUnauthorized, Reason: s.Problem, RetryAfter: retryAfter,
		Message: advise(x.snapshot.Source, advice.Case{Status: events.StatusMissing, Reason: s.Problem, Detail: s.Detail}),
	}
	if s.Problem == "" {
		a.Reason, a.RetryAfter = "not_loaded", 1
		a.Message = "the credential has not been read yet"
	}
	x.reason = a.Reason
	x.refuse(a)
}
