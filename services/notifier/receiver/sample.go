package receiver

import (
	"time"

	"github.com/authwatch/authwatch/events"
)

// samples are messages of every kind.
func samples(at time.Time) []Message {
	loaded := at.Add(-24 * time.Hour)
	bad := events.Record{
		Workload: "github", Labels: map[string]string{"team": "platform"},
		Status: events.StatusUnauthenticated, Previous: events.StatusRunning, Since: at,
		Reason: "invalid_token", Incident: events.NewID(at), Incidents: 1,
		Message: "github: the upstream rejected the token in /run/secrets/github (invalid_token). " +
			"Put a new token there; it is picked up at once, no restart.",
		Upstream: "https://api.example.com/mcp",
		Credential: &events.Credential{
			Fingerprint: "3f9a1c0b7d22", Source: "file /run/secrets/github", LoadedAt: &loaded,
		},
	}
	missing := events.Record{
		Workload: "search", Status: events.StatusMissing, Since: at, Reason: events.ProblemNotFound,
		Incident: events.NewID(at), Incidents: 3,
	}
	good := bad
	good.Status, good.Previous, good.Since = events.StatusRunning, events.StatusUnauthenticated, at.Add(5*time.Minute)
	good.LastIncident = &events.Incident{ID: bad.Incident, Opened: at, Closed: good.Since, Reason: bad.Reason}
	good.Incident, good.Reason, good.Message = "", "", ""

	soon, end := bad, at.Add(24*time.Hour)
	soon.Status, soon.Previous, soon.Reason = events.StatusExpiring, events.StatusRunning, events.ReasonExpiresSoon
	soon.Message = "github: the token in /run/secrets/github expires soon."
	soon.Credential = &events.Credential{Fingerprint: "3f9a1c0b7d22", Source: "file /run/secrets/github", ExpiresAt: &end}

	message := func(kind string, open bool, records ...events.Record) Message {
		m := Message{ID: "sample-" + kind, Kind: kind, Receiver: "sample", Time: at, Open: open, Workloads: records}
		m.Thread = m.ID
		return m
	}
	return []Message{
		message(events.KindOpened, true, bad),
		message(events.KindOpened, true, bad, missing),
		message(events.KindReminder, true, bad),
		message(events.KindResolved, false, good),
		message(events.KindDigest, false, good),
		message(events.KindDigest, true, bad),
		message(events.KindExpiring, true, soon),
		message(events.KindTest, false),
	}
}
