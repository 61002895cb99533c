package status

import "github.com/authwatch/authwatch/events"

// reason is why r has its status after o. While an incident is open it is the
// incident's, also when a new credential waits for its verdict.
func reason(r events.Record, f fact, o Observation) string {
	switch {
	case f == unauthorized || f == missing:
		return o.Data.Reason(o.Type)
	case r.Incident != "":
		return r.Reason
	case r.Status == events.StatusExpiring:
		return events.ReasonExpiresSoon
	}
	return ""
}
