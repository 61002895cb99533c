package credential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/outbound"
)

// permanentCodes are the OAuth errors that asking again does not fix (RFC 6749
// section 5.2, RFC 8707 section 2).
var permanentCodes = map[string]bool{
	"invalid_grant":          true,
	"invalid_client":         true,
	"unauthorized_client":    true,
	"unsupported_grant_type": true,
	"invalid_scope":          true,
	"invalid_target":         true,
	"invalid_request":        true,
	"access_denied":          true,
}

// classify tells a refusal, which needs a person, from a failure, which passes.
// Only an OAuth error code in an answer of 4xx, or of 200 as some servers have
// it, is a refusal: login pages, firewalls and overload are not.
func classify(err error, now time.Time) *failure {
	re, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || re.Response == nil {
		return &failure{problem: events.ProblemFailed, detail: unanswered(err)}
	}
	status := re.Response.StatusCode
	code := strings.ToLower(events.CleanText(re.ErrorCode, 64))
	f := &failure{
		problem: events.ProblemFailed,
		detail:  fmt.Sprintf("it answered %d", status),
		after:   outbound.RetryAfter(re.Response.Header, now),
	}
	if code == "" {
		return f
	}
	overload := status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
	if permanentCodes[code] && !overload {
		return &failure{problem: events.ProblemRefused, detail: code, said: re.ErrorDescription, permanent: true, after: f.after}
	}
	f.detail += ": " + code
	f.said = re.ErrorDescription
	return f
}

// unanswered says why there was no answer, or none that could be read.
func unanswered(err error) string {
	if _, ok := errors.AsType[*url.Error](err); !ok && !errors.Is(err, context.DeadlineExceeded) {
		return "its answer contains no token" // the error quotes the answer
	}
	return "it cannot be reached: " + events.CleanText(outbound.Detail(err), 100)
}
