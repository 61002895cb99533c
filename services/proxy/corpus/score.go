package corpus

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Said is something that a gateway said about the token that it attaches.
type Said struct {
	At      time.Time
	Verdict string // as in [Expect]
	Reason  string
}

// The verdicts of a gateway.
const (
	SaidNothing   = "none"
	SaidAccepted  = "accepted"
	SaidRejected  = "rejected"
	SaidRefused   = "refused" // some requests, while others are accepted
	SaidForbidden = "forbidden"
)

// Detector decides from answers alone whether a token is dead: what the
// gateway is compared with.
type Detector struct {
	Name string
	// Dead and Alive say what one answer means to it; if neither, nothing.
	Dead, Alive func(status int, challenge []string) bool
}

func success(status int, _ []string) bool { return status >= 200 && status < 300 }

// Naive are the two rules that most programs use.
var Naive = []Detector{
	{Name: "any 401", Dead: func(status int, _ []string) bool { return status == 401 }, Alive: success},
	{Name: "401 invalid_token", Dead: func(status int, challenge []string) bool {
		return status == 401 && strings.Contains(strings.Join(challenge, ","), "invalid_token")
	}, Alive: success},
}

// Tally is what one detector did over the histories that it was scored with.
type Tally struct {
	Name        string
	Histories   int
	FalseAlarms int      // incidents of a living token
	Blamed      []string // histories with one
	TrueAlarms  int
	Deaths      int // that could be seen
	Missed      []string
	Delays      []time.Duration
}

// precision is the share of alarms about tokens that were dead.
func (t *Tally) precision() float64 { return share(t.TrueAlarms, t.TrueAlarms+t.FalseAlarms) }

// recall is the share of deaths that were told.
func (t *Tally) recall() float64 { return share(t.Deaths-len(t.Missed), t.Deaths) }

func share(part, all int) float64 {
	if all == 0 {
		return 1
	}
	return float64(part) / float64(all)
}

// span is a stretch in which the truth did not change.
type span struct {
	from  time.Time
	truth string
	seen  bool // the client made requests in it
}

// add scores what a detector said over one history: an alarm is a change to
// rejected.
func (t *Tally) add(h *History, spans []span, said []Said) {
	t.Histories++
	falseBefore := t.FalseAlarms
	told := make([]time.Time, len(spans))
	bad := false
	for _, s := range said {
		now := s.Verdict == SaidRejected
		if now && !bad {
			switch spans[current(spans, s.At)].truth {
			case dead:
				t.TrueAlarms++
			case alive:
				t.FalseAlarms++
			}
		}
		if now || s.Verdict == SaidRefused {
			if i := current(spans, s.At); told[i].IsZero() {
				told[i] = s.At
			}
		}
		if s.Verdict != SaidForbidden {
			bad = now || s.Verdict == SaidRefused
		}
	}
	if t.FalseAlarms > falseBefore {
		t.Blamed = append(t.Blamed, h.Name)
	}
	for i, s := range spans {
		if s.truth != dead || !s.seen || h.Unseen {
			continue
		}
		t.Deaths++
		if told[i].IsZero() {
			t.Missed = append(t.Missed, h.Name)
			continue
		}
		t.Delays = append(t.Delays, told[i].Sub(s.from))
	}
}

func current(spans []span, at time.Time) int {
	i := len(spans) - 1
	for i > 0 && spans[i].from.After(at) {
		i--
	}
	return i
}

// Print writes one line a detector.
func Print(w io.Writer, tallies ...*Tally) {
	_, _ = fmt.Fprintf(w, "%-20s %9s %12s %7s %7s %10s %7s %12s\n",
		"", "histories", "false alarms", "blamed", "deaths", "precision", "recall", "median delay")
	for _, t := range tallies {
		_, _ = fmt.Fprintf(w, "%-20s %9d %12d %7d %7d %9.1f%% %6.1f%% %12s\n",
			t.Name, t.Histories, t.FalseAlarms, len(t.Blamed), t.Deaths, 100*t.precision(), 100*t.recall(), median(t.Delays))
	}
}

func median(d []time.Duration) string {
	if len(d) == 0 {
		return "-"
	}
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2].Round(time.Millisecond).String()
}
