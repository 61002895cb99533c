package proxy

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/forward"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// Result is what an upstream says to a token.
type Result string

// The results of [Try].
const (
	Accepted    Result = "accepted"
	Rejected    Result = "rejected"
	Forbidden   Result = "forbidden"   // alive, but lacks scope
	Unreachable Result = "unreachable" // no answer, or one of a gateway
	Unclear     Result = "unclear"     // the answer says nothing about the token
)

// Outcome is the answer to a trial.
type Outcome struct {
	Result Result
	// Request is what was asked: "POST server/discover".
	Request string
	Status  int    // of the answer; 0 without one
	Reason  string // of a rejection: an OAuth error code, "bare_401", "other_scheme"
	// Challenge is the upstream's text: bounded and printable, otherwise untrusted.
	Challenge *events.Challenge
	Detail    string // in words
}

// tryTimeout bounds one request of a trial.
const tryTimeout = 15 * time.Second

// Try asks a workload's upstream what it thinks of token, without a running
// proxy and without an event. The error says that the workload or the token
// cannot be tried at all.
func Try(ctx context.Context, w Workload, token config.Secret) (Outcome, error) {
	base, err := w.base()
	if err != nil {
		return Outcome{}, err
	}
	if problem, detail := credential.Check(token.Reveal()); problem != "" {
		return Outcome{}, fmt.Errorf("the token is %s: %s", problem, detail)
	}
	opts := forward.Options{URL: base, ConnectTimeout: w.Timeouts.connect(), HeaderTimeout: tryTimeout}
	if w.CAFile != "" {
		if opts.RootCAs, err = loadRoots(w.CAFile); err != nil {
			return Outcome{}, err
		}
	}
	up := forward.New(opts)
	defer up.CloseIdle()
	a := ask(ctx, up, &w, "Bearer "+token.Reveal())
	return a.outcome(), nil
}

func (a asked) outcome() Outcome {
	o := Outcome{Request: a.what, Status: a.status, Reason: a.verdict.Reason}
	if a.verdict.Challenge != nil {
		o.Challenge = a.verdict.Challenge.Event()
	}
	switch {
	case a.err != nil:
		o.Result, o.Detail = Unreachable, why(a.err)
	case a.verdict.Kind == verdict.Accepted:
		o.Result, o.Detail = Accepted, "the upstream accepts the token"
	case a.verdict.Kind == verdict.Rejected:
		o.Result, o.Detail = Rejected, "the upstream rejects the token: "+a.verdict.Reason
	case a.verdict.Kind == verdict.Forbidden:
		o.Result, o.Detail = Forbidden, "the token is alive and lacks scope"
	case a.status >= http.StatusBadGateway && a.status <= http.StatusGatewayTimeout:
		o.Result, o.Detail = Unreachable, fmt.Sprintf("a gateway answers %d in its place", a.status)
	default:
		o.Result, o.Detail = Unclear, fmt.Sprintf("status %d says nothing about the token", a.status)
	}
	return o
}
