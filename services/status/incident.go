package status

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
)

// alphabet is the one of ULIDs.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var crockford = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// incidentID is a ULID: 48 bits of time, when the opening observation was
// stored, and 80 bits of hash of that event in place of the random part, so that
// every replica gives one incident one id.
func incidentID(o Observation) string {
	ms := o.Stored.UnixMilli()
	text := make([]byte, 10, 26)
	for i := len(text) - 1; i >= 0; i-- {
		text[i] = alphabet[ms&31]
		ms >>= 5
	}
	sum := sha256.Sum256([]byte(o.Data.Workload + "\x00" + o.Source + "\x00" + o.ID))
	return string(crockford.AppendEncode(text, sum[:10]))
}

// openedAt is the time in an incident's id; zero when it is not a ULID.
func openedAt(incident string) time.Time {
	if len(incident) != 26 {
		return time.Time{}
	}
	var ms int64
	for _, c := range incident[:10] {
		digit := strings.IndexRune(alphabet, c)
		if digit < 0 {
			return time.Time{}
		}
		ms = ms<<5 | int64(digit)
	}
	return time.UnixMilli(ms).UTC()
}

// openIncident starts one unless one is open: going from one bad status to
// another is the same incident.
func openIncident(r *events.Record, o Observation) {
	if r.Incident != "" {
		return
	}
	r.Incident = incidentID(o)
	r.Incidents++
}

// closeIncident ends the open incident. Only an answer that accepts the
// credential does: a new token that nobody has tried yet may be as dead.
func closeIncident(r *events.Record, reason string, at time.Time) {
	if r.Incident == "" {
		return
	}
	r.LastIncident = &events.Incident{ID: r.Incident, Opened: openedAt(r.Incident), Closed: at, Reason: reason}
	r.Incident = ""
}
