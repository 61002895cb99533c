package receiver

import (
	"net/http"

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

// maybeDelivered reports whether the message may have arrived although the
// answer is an error: one of a server behind the one that received it.
func maybeDelivered(status int) bool {
	switch status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	}
	return false
}
