package events

import (
	"path"
	"slices"
	"time"
)

// The types of what is published when people are not told for a while. The data is
// a [Silence].
const (
	// TypeAlertSilenced says that a silence was added.
	TypeAlertSilenced = "alert.silenced"

	// TypeAlertUnsilenced says that somebody ended a silence before its time: By is
	// who that was, and Until when.
	TypeAlertUnsilenced = "alert.unsilenced"
)

// Silence holds back the openings and reminders of the workloads that it matches.
// The end of an incident is sent to a receiver that has got its opening.
type Silence struct {
	ID      string    `json:"id"`
	Match   Match     `json:"match"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	By      string    `json:"by,omitempty"`
	Comment string    `json:"comment,omitempty"`
}

// Active reports whether s holds alerts back now.
func (s Silence) Active(now time.Time) bool { return !now.Before(s.From) && now.Before(s.Until) }

// Match selects workloads. A field that is not given matches all; one that lists
// values matches any of them.
type Match struct {
	Workload string            `json:"workload,omitempty" yaml:"workload"` // a glob: prod-*
	Status   []string          `json:"status,omitempty" yaml:"status"`
	Reason   []string          `json:"reason,omitempty" yaml:"reason"`
	Labels   map[string]string `json:"labels,omitempty" yaml:"labels"` // values are globs
}

// Matches reports whether m selects r.
func (m Match) Matches(r Record) bool {
	status, reason := r.trouble()
	if !Glob(m.Workload, r.Workload) ||
		len(m.Status) > 0 && !slices.Contains(m.Status, string(status)) ||
		len(m.Reason) > 0 && !slices.Contains(m.Reason, reason) {
		return false
	}
	for key, want := range m.Labels {
		if value, ok := r.Labels[key]; !ok || !Glob(want, value) {
			return false
		}
	}
	return true
}

// Glob matches as [path.Match] does; an empty pattern, everything.
func Glob(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// trouble is the bad status and the reason that a record is about: its own, or
// while it is not bad, that of its incident. So a workload whose new token waits
// for its first verdict, and one that recovered, stay with their route.
func (r Record) trouble() (Status, string) {
	reason := r.Reason
	switch {
	case r.Status.Bad():
		return r.Status, reason
	case r.Incident == "" && r.LastIncident != nil:
		reason = r.LastIncident.Reason
	case r.Incident == "":
		return r.Status, reason
	}
	switch reason {
	case ProblemNotFound, ProblemEmpty, ProblemMalformed, ProblemUnread, ProblemRefused, ProblemFailed:
		return StatusMissing, reason
	}
	return StatusUnauthenticated, reason
}
