package receiver

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/notifier/plan"
)

// outcomes says what a status code means, before the classes of hundreds.
var outcomes = map[int]plan.Outcome{
	http.StatusRequestTimeout:        plan.Retry,
	http.StatusTooEarly:              plan.Retry,
	http.StatusTooManyRequests:       plan.Retry,
	http.StatusGone:                  plan.Gone,
	http.StatusBadRequest:            plan.Rejected,
	http.StatusRequestEntityTooLarge: plan.Rejected,
	http.StatusUnsupportedMediaType:  plan.Rejected,
	http.StatusUnprocessableEntity:   plan.Rejected,
	http.StatusNotImplemented:        plan.Refused,
}

// classify says what a status code means. Redirects are not followed: whoever
// can answer one could have the message sent anywhere.
func classify(status int) plan.Outcome {
	if o, ok := outcomes[status]; ok {
		return o
	}
	switch status / 100 {
	case 2:
		return plan.Delivered
	case 5:
		return plan.Retry
	}
	return plan.Refused
}

// heardAnyway reports whether a message may have been taken although the answer
// says otherwise: a failure behind whoever took it.
func heardAnyway(status int) bool {
	switch status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter reads the header of that name, RFC 9110 section 10.2.3: seconds,
// with a fraction as Discord has it, or a date. Zero is no wish.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	var d time.Duration
	if s, err := strconv.ParseFloat(value, 64); err == nil {
		if !(s > 0) {
			return 0
		}
		d = time.Duration(min(s, plan.AskedMost.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(value); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), plan.AskedMost)
}
