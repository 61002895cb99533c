package probe

import "time"

// Bounds of the time between two probes, whatever the configuration says.
const (
	Soonest = 10 * time.Minute
	latest  = 6 * time.Hour
)

// Schedule decides when an upstream that nobody uses is asked. It has no clock
// of its own.
type Schedule struct {
	IdleAfter time.Duration

	asked    time.Time // the last time
	rejected int       // answers in a row that left the credential rejected
}

// Next is when to ask, if no client does before: used is when one did last, or
// when the workload came into service.
func (s *Schedule) Next(used time.Time) time.Time {
	next := used.Add(s.IdleAfter)
	if s.asked.IsZero() {
		return next
	}
	pause := max(s.IdleAfter, Soonest)
	for range min(s.rejected, 10) {
		pause = min(2*pause, max(latest, s.IdleAfter))
	}
	if again := s.asked.Add(pause); again.After(next) {
		next = again
	}
	return next
}

// Asked takes in that the upstream was asked at now, and whether the credential
// is rejected after that. A dead one is asked about less and less often, because
// each probe is a failed login in the upstream's log.
func (s *Schedule) Asked(now time.Time, rejected bool) {
	s.asked = now
	if rejected {
		s.rejected++
	} else {
		s.rejected = 0
	}
}

// Renewed takes in that another value of the credential is in use, and forgets
// the rejections of the former one.
func (s *Schedule) Renewed() { s.rejected = 0 }
