package status

import (
	"time"

	"github.com/authwatch/authwatch/events"
)

// openIncident starts one unless one is open: going from one bad status to
// another is the same incident. The id follows from the observation, so every
// replica gives one incident one id.
func openIncident(r *events.Record, o Observation) {
	if r.Incident != "" {
		return
	}
	r.Incident, r.IncidentOpened = events.DeriveID(o.Data.Workload, o.Source, o.ID), &o.Stored
	r.Incidents++
}

// closeIncident ends the open incident. Only an answer that accepts the
// credential does, and the end of the workload: a new token that nobody has tried
// yet may be as dead.
func closeIncident(r *events.Record, reason string, at time.Time) {
	if r.Incident == "" {
		return
	}
	r.LastIncident = &events.Incident{ID: r.Incident, Opened: at, Closed: at, Reason: reason}
	if r.IncidentOpened != nil {
		r.LastIncident.Opened = *r.IncidentOpened
	}
	r.Incident, r.IncidentOpened, r.Acknowledged = "", nil, nil
}
