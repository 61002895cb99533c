package proxy

import (
	"fmt"
	"net/http"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/advice"
	"github.com/authwatch/authwatch/services/proxy/shield"
	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// What a shielded client is told, in seconds.
const (
	retryAfter = 30 // the credential has to be replaced first
	retrySoon  = 2  // nothing has to be done
)

// refusal is what a shielded client is answered in place of the upstream's
// rejection: what is known of it.
func refusal(a tracker.Answer, v verdict.Verdict, f finding, source string) shield.Reply {
	dead := advice.Case{
		Status: events.StatusUnauthenticated, Reason: v.Reason, Response: &a.Response, Request: a.Request(),
	}
	soon := shield.Reply{
		Status: http.StatusServiceUnavailable, Code: shield.CodeDoubted, Reason: "doubted", RetryAfter: retrySoon,
	}
	if v.Reason == events.ReasonOtherScheme && f.accepted {
		dead.Reason = events.ReasonBare401 // the scheme cannot be the reason
	}
	switch f.ruling {
	case tracker.SessionLost:
		return shield.Reply{
			Status: http.StatusNotFound, Code: shield.CodeSessionLost, Reason: "session_lost", Session: true,
			Message: "session not found: it is gone, the upstream does not know it any more. Reconnect: open a new session with initialize.",
		}
	case tracker.Refused:
		dead.Reason, dead.Elsewhere = events.ReasonRefusedClass, f.elsewhere
	case tracker.Alive:
		soon.Message = fmt.Sprintf("the upstream refused this request (%s); it accepts the same credential otherwise. Try again.", said(v))
	case tracker.Settling:
		soon.Message = fmt.Sprintf("the upstream refused this request (%s). The credential is new and may not be known there yet. Try again.", said(v))
	case tracker.Replaced:
		soon.RetryAfter = 1
		soon.Message = fmt.Sprintf("the upstream refused this request (%s); its credential was replaced meanwhile. Try again.", said(v))
	case tracker.Pending, tracker.Unclear:
		soon.Message = fmt.Sprintf("the upstream refused this request (%s). It is not known yet whether it rejects the credential. Try again.", said(v))
	default:
	}
	if soon.Message != "" {
		return soon
	}
	return shield.Reply{
		Status: http.StatusServiceUnavailable, Code: shield.CodeUnauthorized, Reason: dead.Reason,
		Message: advise(source, dead), RetryAfter: retryAfter,
	}
}

// advise gives a client the words of the workload's record.
func advise(source string, c advice.Case) string {
	c.Source = events.ParseSource(source)
	return c.Text()
}

// said is what the upstream said in its rejection.
func said(v verdict.Verdict) string {
	if v.Challenge != nil {
		if d := v.Challenge.Event().ErrorDescription; d != "" {
			return v.Reason + ": " + d
		}
	}
	return v.Reason
}
