package proxy

import (
	"context"
	"fmt"
	"net/http"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/forward"
	"github.com/authwatch/authwatch/services/proxy/probe"
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
	opts := forward.Options{URL: base, ConnectTimeout: w.Timeouts.connect(), HeaderTimeout: w.Timeouts.answer()}
	if w.CAFile != "" {
		if opts.RootCAs, err = loadRoots(w.CAFile); err != nil {
			return Outcome{}, err
		}
	}
	up := forward.New(opts)
	defer up.CloseIdle()
	return trialOutcome(ask(ctx, up, &w, token)), nil
}

func trialOutcome(a probe.Answer) Outcome {
	o := Outcome{Request: a.Request(), Status: a.Status, Reason: a.Verdict.Reason}
	if a.Verdict.Challenge != nil {
		o.Challenge = a.Verdict.Challenge.Event()
	}
	switch {
	case a.Err != nil:
		o.Result, o.Detail = Unreachable, why(a.Err)
	case a.Verdict.Kind == verdict.Accepted:
		o.Result, o.Detail = Accepted, "the upstream accepts the token"
	case a.Verdict.Kind == verdict.Rejected:
		o.Result, o.Detail = Rejected, "the upstream rejects the token: "+a.Verdict.Reason
	case a.Verdict.Kind == verdict.Forbidden:
		o.Result, o.Detail = Forbidden, "the token is alive and lacks scope"
	case a.Status >= http.StatusBadGateway && a.Status <= http.StatusGatewayTimeout:
		o.Result, o.Detail = Unreachable, fmt.Sprintf("a gateway answers %d in its place", a.Status)
	default:
		o.Result, o.Detail = Unclear, fmt.Sprintf("status %d says nothing about the token", a.Status)
	}
	return o
}
