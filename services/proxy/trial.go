package proxy

import (
	"context"
	"fmt"
	"strings"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/probe"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// Trial is what an upstream said to a token.
type Trial struct {
	// Verdict on the token; Nothing if the answer does not say.
	Verdict verdict.Kind
	// Unreachable: there was no answer, or that of a gateway.
	Unreachable bool
	// Request is what was asked: "POST server/discover".
	Request string
	Status  int    // of the answer; 0 without one
	Reason  string // of a rejection: an OAuth error code, "bare_401", "other_scheme"
	// Challenge is the upstream's text: bounded and printable, otherwise untrusted.
	Challenge *events.Challenge
	Detail    string // in words
}

// Result names the verdict for people.
func (t Trial) Result() string {
	switch {
	case t.Unreachable:
		return "unreachable"
	case t.Verdict == verdict.Nothing:
		return "unclear"
	}
	return t.Verdict.String()
}

// Try asks a workload's upstream what it thinks of a credential, without a running
// proxy and without an event. The error says that the workload or the credential
// cannot be tried at all.
func Try(ctx context.Context, w Workload, s *credential.Snapshot) (Trial, error) {
	if !s.Usable() {
		return Trial{}, fmt.Errorf("the token is %s: %s", s.Problem, s.Detail)
	}
	roots, err := outbound.Roots(w.CAFile)
	if err != nil {
		return Trial{}, err
	}
	up, err := w.connect(roots, 0, "")
	if err != nil {
		return Trial{}, err
	}
	defer up.CloseIdle()
	return trialOf(askUpstream(ctx, up, &w, s)), nil
}

func trialOf(a probe.Result) Trial {
	t := Trial{
		Verdict: a.Verdict.Kind, Request: a.Request(), Status: a.Status,
		Reason: a.Verdict.Reason, Challenge: a.Verdict.Challenge.Event(),
	}
	switch {
	case a.Err != nil:
		t.Unreachable, t.Detail = true, outbound.Why(a.Err)
	case t.Verdict == verdict.Accepted:
		t.Detail = "the upstream accepts the token"
	case t.Verdict == verdict.Rejected:
		t.Detail = "the upstream rejects the token: " + t.Reason
	case t.Verdict == verdict.Forbidden:
		t.Detail = "the token is valid but lacks scope"
	case isGateway(a.Status):
		t.Unreachable, t.Detail = true, fmt.Sprintf("a gateway answered %d instead of the upstream", a.Status)
	case a.Better != "":
		t.Detail = "the upstream redirects; write the upstream " + differently(a.Better) + a.Better
	case a.Instead != "":
		t.Detail = a.Instead + " says nothing about the token"
	default:
		t.Detail = fmt.Sprintf("status %d says nothing about the token", a.Status)
	}
	return t
}

// differently says what is easily overlooked in an address.
func differently(address string) string {
	if strings.HasSuffix(address, "/") {
		return "with the slash: "
	}
	return "as "
}
