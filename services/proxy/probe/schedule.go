package probe

import "time"

// Bounds of the time between two probes, whatever the configuration says.
const (
	Soonest = 10 * time.Minute
	latest  = 6 * time.Hour
)

// Schedule decides when an upstream is asked. It has no clock of its own.
type Schedule struct {
	IdleAfter time.Duration // when nobody uses it for that long; 0: not for that
	Every     time.Duration // whether somebody uses it or not; 0: not for that
	Since     time.Time     // when the workload came into service

	asked    time.Time // the last time
	rejected int       // answers in a row that left the credential rejected
}

// Next is when to ask, if no client does before: used is when one did last, or
// when the workload came into service.
func (s *Schedule) Next(used time.Time) time.Time {
	var next time.Time
	if s.IdleAfter > 0 {
		next = used.Add(s.IdleAfter)
		if again := s.again(s.IdleAfter); again.After(next) {
			next = again
		}
	}
	if s.Every > 0 {
		every := s.again(s.Every)
		if s.asked.IsZero() {
			every = s.Since.Add(s.Every)
		}
		if next.IsZero() || every.Before(next) {
			next = every
		}
	}
	return next
}

// again is the earliest time after the last question, zero if there was none.
func (s *Schedule) again(pause time.Duration) time.Time {
	if s.asked.IsZero() {
		return time.Time{}
	}
	most := max(latest, pause)
	pause = max(pause, Soonest)
	for range min(s.rejected, 10) {
		pause = min(2*pause, most)
	}
	return s.asked.Add(pause)
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
