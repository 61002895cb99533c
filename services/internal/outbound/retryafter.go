package outbound

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retryAfterMost bounds what a server can ask for; callers have bounds of their
// own.
const retryAfterMost = 7 * 24 * time.Hour

// RetryAfter is the wait that the Retry-After field of an answer asks for (RFC
// 9110 section 10.2.3): seconds, with a fraction as some servers write them, or
// a date. Zero means that it asks for none.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	var wait time.Duration
	if s, err := strconv.ParseFloat(value, 64); err == nil {
		if !(s > 0) { // not a number is neither
			return 0
		}
		wait = time.Duration(min(s, retryAfterMost.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), retryAfterMost)
}
