package credential

import (
	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/redact"
)

// explain returns f's detail with what the other side said, bounded and without
// secrets. They go before anything is cut off: half of one would not be found.
func (s *Source) explain(f *failure) string {
	said := events.CleanText(redact.LongWords(s.redact(f.said)), 200)
	if said == "" {
		return f.detail
	}
	return f.detail + ": " + said
}
