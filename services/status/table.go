package status

import "github.com/authwatch/authwatch/events"

// A fact is a column of the table: what an observation says.
type fact int

const (
	loaded       fact = iota // a credential of another value than the recorded one
	reloaded                 // the recorded credential once more, after a restart
	authorized               // the upstream accepted it
	unauthorized             // the upstream rejected it
	missing                  // there is none
	expiring                 // it will expire soon
	forbidden                // it is alive and lacks scope
	retired                  // the last proxy that served the workload does not any more
	left                     // one of several does not
	acknowledged             // a person takes care of the incident
	facts                    // their number
)

// factOf returns the column of an event type. Whether auth.loaded is about a new
// value, and auth.retired from the last proxy, is for the caller to say.
func factOf(typ string) (fact, bool) {
	switch typ {
	case events.TypeLoaded:
		return loaded, true
	case events.TypeAuthorized:
		return authorized, true
	case events.TypeUnauthorized:
		return unauthorized, true
	case events.TypeMissing:
		return missing, true
	case events.TypeExpiring:
		return expiring, true
	case events.TypeForbidden:
		return forbidden, true
	case events.TypeRetired:
		return retired, true
	case events.TypeAcknowledged:
		return acknowledged, true
	}
	return 0, false
}

const (
	unk  = events.StatusUnknown
	unv  = events.StatusUnverified
	run  = events.StatusRunning
	exp  = events.StatusExpiring
	bad  = events.StatusUnauthenticated
	mis  = events.StatusMissing
	ret  = events.StatusRetired
	stay = events.Status("") // the cell changes no status
)

// table is the state machine.
var table = map[events.Status][facts]events.Status{
	//    loaded reloaded authorized unauthorized missing expiring forbidden retired left acknowledged
	unk: {unv, unv, run, bad, mis, exp, stay, ret, stay, stay},
	unv: {unv, stay, run, bad, mis, exp, stay, ret, stay, stay},
	run: {unv, stay, run, bad, mis, exp, stay, ret, stay, stay},
	exp: {unv, stay, stay, bad, mis, exp, stay, ret, stay, stay}, // expiring until the credential changes
	bad: {unv, stay, run, stay, mis, stay, stay, ret, stay, stay},
	mis: {unv, unv, run, bad, stay, stay, stay, ret, stay, stay},
	ret: {unv, unv, run, bad, mis, exp, unv, stay, stay, stay}, // who sees something serves it
}

// step looks a cell up. A status that this version does not know, written by a
// later one, counts as unknown.
func step(from events.Status, f fact) events.Status {
	row, ok := table[from]
	if !ok {
		row = table[unk]
	}
	if to := row[f]; to != stay {
		return to
	}
	return from
}
