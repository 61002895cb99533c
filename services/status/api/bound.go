package api

import (
	"net/http"
	"time"
)

// answerWithin bounds the sending of an answer. The feed sets its own deadlines.
const answerWithin = time.Minute

// Bound ends connections of clients that do not read their answer.
func Bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerWithin)) // not of a recorder in a test
		next.ServeHTTP(w, r)
	})
}
