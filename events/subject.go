package events

import (
	"errors"
	"fmt"
	"strings"
)

// ErrWorkload is returned for a name that is no DNS label.
var ErrWorkload = errors.New("a workload name has 1 to 63 characters of a-z, 0-9 and -, and neither starts nor ends with -")

// ValidWorkload reports whether name is a DNS label (RFC 1123 section 2.1), and
// so always safe as a token of a NATS subject.
func ValidWorkload(name string) error {
	if name == "" || len(name) > 63 || name[0] == '-' || name[len(name)-1] == '-' {
		return fmt.Errorf("%q: %w", name, ErrWorkload)
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("%q: %w", name, ErrWorkload)
		}
	}
	return nil
}

// Subject is the NATS subject of an event: its type and the workload. An event
// about no single workload, such as a digest's receipt, has its type alone.
func Subject(typ, workload string) string {
	if workload == "" {
		return typ
	}
	return typ + "." + workload
}

// needsWorkload reports whether a type is about one workload, which is then the
// event's subject. An alert may be about several and have none.
func needsWorkload(typ string) bool {
	return strings.HasPrefix(typ, "auth.") || strings.HasPrefix(typ, "status.")
}

func isAlert(typ string) bool { return strings.HasPrefix(typ, "alert.") }

// isSubject reports whether s can be published to: tokens of a-z, 0-9, - and _.
func isSubject(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}) {
			return false
		}
	}
	return true
}
