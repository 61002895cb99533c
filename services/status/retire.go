package status

import "github.com/authwatch/authwatch/events"

// retire takes the workload out of service when the last proxy that served it says
// so. What one of several says is only remembered. There is nothing to take out of
// service where nothing was observed.
func retire(before events.Record, o Observation) (after events.Record, changed bool) {
	if before.Status == "" || o.ServedElsewhere && o.Source == person {
		return before, false
	}
	r := before
	f := retired
	if o.ServedElsewhere {
		f = left
	}
	if r.Status = step(r.Status, f); r.Status != before.Status {
		r.Previous, r.Since = before.Status, o.Stored
		r.Cause = &events.Cause{Type: o.Type, ID: o.ID, Time: o.Time, TraceParent: o.TraceParent}
		r.Evidence, r.AcceptedElsewhere, r.Forbidden = nil, nil, nil
		closeIncident(&r, before.Reason, o.Stored)
		if l := before.Incident; l != "" {
			r.LastIncident.Retired = true
		}
		r.Reason = ""
		r.Message = cut(message(r, farewell(o)), maxMessage)
	}
	if o.Source != person {
		r.Observers = observersAfter(before, o)
		keepLoadedSince(&r, before)
	}
	r.Observed = &o.Position
	return r, true
}

// farewell is why the workload is out of service, where it is not simply gone from
// the configuration.
func farewell(o Observation) string {
	if o.Source != person {
		return o.Data.Detail
	}
	text := "somebody asked to forget it"
	if o.Data.By != "" {
		text = o.Data.By + " asked to forget it"
	}
	if o.Data.Note != "" {
		text += ": " + o.Data.Note
	}
	return text
}

// acknowledge notes who takes care of the open incident. A word about another
// incident came too late, or too early.
func acknowledge(before events.Record, o Observation) (after events.Record, changed bool) {
	if before.Incident == "" || o.Data.Incident != "" && o.Data.Incident != before.Incident {
		return before, false
	}
	r := before
	r.Acknowledged = &events.Acknowledgement{By: o.Data.By, At: o.Stored, Until: o.Data.Until, Note: o.Data.Note}
	r.Observed = &o.Position
	return r, true
}
