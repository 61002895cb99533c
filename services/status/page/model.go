package page

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/status/api"
)

type view struct {
	Title string
}

// list is the first page: what needs somebody, in full, then the rest.
type list struct {
	view
	Bad      []api.Workload
	Rest     []api.Workload
	Total    int // before the filter
	Shown    int
	NeedYou  int // bad ones, before the filter
	Counts   []count
	Statuses []events.Status
	Status   string
	Name     string
}

type count struct {
	Status events.Status
	N      int
}

// rank sorts what needs attention first. A status of a later version comes after
// those that are known to be bad.
var rank = map[events.Status]int{
	events.StatusUnauthenticated: 0,
	events.StatusMissing:         1,
	events.StatusExpiring:        3,
	events.StatusUnknown:         4,
	events.StatusUnverified:      5,
	events.StatusRunning:         6,
	events.StatusRetired:         7,
}

func rankOf(w api.Workload) int {
	r, known := rank[w.Status]
	if !known {
		r = 2
	}
	if w.Status != events.StatusRetired && (w.Outage != nil || w.ServedBy == 0) {
		r = min(r, 4)
	}
	return r
}

func newList(all []api.Workload, status, name string) list {
	l := list{Total: len(all), Status: status, Name: name}
	counts := make(map[events.Status]int)
	for _, w := range all {
		counts[w.Status]++
		if w.Status.Bad() {
			l.NeedYou++
		}
		if status != "" && status != string(w.Status) || !matchName(name, w.Workload) {
			continue
		}
		l.Shown++
		if w.Status.Bad() {
			l.Bad = append(l.Bad, w)
		} else {
			l.Rest = append(l.Rest, w)
		}
	}
	// The newest is on top: people look for what is new.
	slices.SortStableFunc(l.Bad, func(a, b api.Workload) int { return b.Since.Compare(a.Since) })
	slices.SortStableFunc(l.Rest, func(a, b api.Workload) int {
		return cmp.Or(cmp.Compare(rankOf(a), rankOf(b)), cmp.Compare(a.Workload, b.Workload))
	})
	for s, n := range counts {
		l.Counts = append(l.Counts, count{s, n})
		l.Statuses = append(l.Statuses, s)
	}
	slices.SortFunc(l.Counts, func(a, b count) int { return compareStatus(a.Status, b.Status) })
	slices.SortFunc(l.Statuses, compareStatus)
	l.Title = "authwatch"
	if l.NeedYou > 0 {
		l.Title = fmt.Sprintf("(%d) authwatch", l.NeedYou)
	}
	return l
}

func compareStatus(a, b events.Status) int {
	return cmp.Or(cmp.Compare(statusRank(a), statusRank(b)), cmp.Compare(a, b))
}

func statusRank(s events.Status) int {
	if r, known := rank[s]; known {
		return r
	}
	return 2
}

// Filtered reports whether the reader asked for less than everything.
func (l list) Filtered() bool { return l.Status != "" || l.Name != "" }

// Tone is the colour of the verdict.
func (l list) Tone() string {
	switch {
	case l.NeedYou > 0:
		return "bad"
	case l.Total == 0:
		return "none"
	case slices.ContainsFunc(l.Counts, func(c count) bool { return c.Status == events.StatusExpiring }):
		return "warn"
	}
	return "good"
}

type detail struct {
	view
	Workload    api.Workload
	Transitions []events.Record
	Receipts    []api.Receipt
	NoHistory   bool
	NoReceipts  bool
}

// advice is a record's message without the workload's name before it, which the
// page shows on its own.
func advice(r events.Record) string {
	text := strings.TrimPrefix(r.Message, r.Workload+": ")
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 || strings.HasPrefix(text, "/") {
		return text
	}
	return string(unicode.ToUpper(first)) + text[size:]
}

// tone gives a status its colour; one of a later version has none.
func tone(s events.Status) string {
	switch s {
	case events.StatusUnauthenticated, events.StatusMissing:
		return "bad"
	case events.StatusExpiring:
		return "warn"
	case events.StatusRunning:
		return "good"
	}
	return "none"
}

// matchName is a substring, or a pattern where it has a star.
func matchName(pattern, name string) bool {
	if !strings.Contains(pattern, "*") {
		return strings.Contains(name, pattern)
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
