package verdict

import (
	"slices"
	"sync/atomic"

	"github.com/authwatch/authwatch/services/internal/redact"
)

// Reader reads the challenges of one upstream. It remembers the last ones, because a
// dead token is refused in the same words every time. Its zero value is ready.
type Reader struct{ last atomic.Pointer[challenges] }

type challenges struct {
	header  []string
	secrets *redact.Filter
	found   []Challenge
}

// Challenges is [ParseChallenges]. What it returns is not to be changed.
func (r *Reader) Challenges(header []string, secrets *redact.Filter) []Challenge {
	if len(header) == 0 {
		return nil
	}
	if last := r.last.Load(); last != nil && last.secrets == secrets && slices.Equal(last.header, header) {
		return last.found
	}
	c := &challenges{slices.Clone(header), secrets, ParseChallenges(header, secrets)}
	r.last.Store(c)
	return c.found
}
