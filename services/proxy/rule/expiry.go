package rule

import (
	"net/http"
	"time"
)

// expiryHeader is sent by GitHub for tokens that end, with every answer.
const expiryHeader = "Github-Authentication-Token-Expiration"

// Expiry returns when the token that was sent ends, where the answer says so.
// Only the two forms that GitHub writes are read, and only what lies well ahead:
// for some tokens it writes the time of the answer (google/go-github#3708).
func Expiry(h http.Header, now time.Time) (time.Time, bool) {
	values := h[expiryHeader]
	if len(values) != 1 {
		return time.Time{}, false
	}
	for _, layout := range []string{"2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 -0700"} {
		if at, err := time.Parse(layout, values[0]); err == nil {
			return at.UTC(), at.After(now.Add(nearest)) && at.Before(now.AddDate(furthest, 0, 0))
		}
	}
	return time.Time{}, false
}

const (
	nearest  = time.Minute
	furthest = 10 // years
)
