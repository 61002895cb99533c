package credential

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// thresholds are how long before its end a token is announced as expiring.
var thresholds = []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, 5 * time.Minute}

// hint returns when a token says that it was issued and will expire, if it is a
// JWT (RFC 7519 section 4.1). Nothing is verified: it is for people, and for the
// time of the next renewal. What cannot be is ignored: not a number, before the
// issue, more than 10 years ahead (milliseconds, mostly).
func hint(token string, now time.Time) (issued, expires time.Time) {
	part := strings.Split(token, ".")
	if len(part) != 3 {
		return time.Time{}, time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part[1], "="))
	if err != nil {
		return time.Time{}, time.Time{}
	}
	var claims struct {
		Exp json.RawMessage `json:"exp"`
		Iat json.RawMessage `json:"iat"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return time.Time{}, time.Time{}
	}
	issued, expires = numericDate(claims.Iat), numericDate(claims.Exp)
	if issued.After(now.Add(time.Hour)) {
		issued = time.Time{}
	}
	earliest := issued
	if earliest.IsZero() {
		earliest = now.AddDate(-10, 0, 0)
	}
	if !expires.After(earliest) || expires.After(now.AddDate(10, 0, 0)) {
		expires = time.Time{}
	}
	return issued, expires
}

// numericDate reads seconds since 1970; a fraction is allowed, quotes are not.
func numericDate(raw json.RawMessage) time.Time {
	var seconds float64
	if len(raw) == 0 || json.Unmarshal(raw, &seconds) != nil || seconds <= 0 || seconds > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// alarm decides when a token is announced as expiring. The zero value never is.
type alarm struct {
	expires time.Time
	// life is the token's whole life, 0 if unknown. A threshold of more than a
	// quarter of it says nothing: tokens that live for an hour are replaced every
	// hour, and a person need not know.
	life time.Duration
	told time.Duration // the last threshold that was announced; 0: none
}

// due returns the tightest threshold that has passed without having been
// announced, and the moment at which the next one will.
func (a *alarm) due(now time.Time) (threshold time.Duration, next time.Time) {
	if a.expires.IsZero() {
		return 0, time.Time{}
	}
	left := a.expires.Sub(now)
	for _, t := range thresholds {
		switch {
		case a.life > 0 && t > a.life/4, a.told > 0 && t >= a.told:
		case left <= 0:
		case left <= t:
			threshold = t
		default:
			return threshold, a.expires.Add(-t)
		}
	}
	return threshold, time.Time{}
}
