package credential

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/authwatch/authwatch/events"
)

// permanentCodes are the OAuth errors that asking again does not mend (RFC 6749
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
		after:   retryAfter(re.Response.Header, now),
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

// unanswered says why there was no answer, or none that could be read, without
// addresses that change with each attempt.
func unanswered(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "it did not answer in time"
	case errors.As(err, &dns):
		return "its name cannot be resolved"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return "it cannot be reached: " + events.CleanText(root(op).Error(), 100)
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return "it cannot be reached: " + events.CleanText(ue.Err.Error(), 100)
	}
	return "its answer holds no token" // the error quotes the answer
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func root(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// retryAfter reads the field of that name: seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
