package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a [time.Duration] written as "30s", "4h" or "7d". A day is 24
// hours.
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String is the form that [Duration.UnmarshalText] reads.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. Days come first:
// "1d12h". A number without a unit is an error, except 0.
func (d *Duration) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	bad := fmt.Errorf(`%q is not a duration; write it as "30s", "4h" or "7d"`, s)
	var days int64
	if n, rest, ok := strings.Cut(s, "d"); ok {
		v, err := strconv.ParseInt(n, 10, 32)
		if err != nil || v < 0 || v > math.MaxInt64/int64(24*time.Hour)-1 {
			return bad
		}
		days, s = v, rest
		if s == "" {
			s = "0"
		}
	}
	v, err := time.ParseDuration(s)
	if err != nil || (days > 0 && v < 0) {
		return bad
	}
	*d = Duration(time.Duration(days)*24*time.Hour + v)
	if *d < 0 && v >= 0 {
		return bad
	}
	return nil
}
