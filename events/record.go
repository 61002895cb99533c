package events

import "time"

// The types of what the status service publishes. The data is a [Record].
const (
	// TypeStatusChanged says that a workload's status changed. The data is the whole
	// Record, and the event is where the record is stored: what is recorded is
	// announced, once.
	TypeStatusChanged = "status.changed"

	// TypeStatusUpdated carries a new Record of the same status: a count grew, a
	// credential was replaced by another unverified one, a scope was found missing.
	// The current record of a workload is the newest event of status.*.<workload>.
	TypeStatusUpdated = "status.updated"
)

// Status is what is known of a workload's credential. Readers must tolerate
// values they do not know.
type Status string

const (
	StatusUnknown         Status = "unknown"
	StatusUnverified      Status = "unverified" // loaded, not judged yet
	StatusRunning         Status = "running"
	StatusExpiring        Status = "expiring"
	StatusUnauthenticated Status = "unauthenticated"
	StatusMissing         Status = "missing"
	StatusRetired         Status = "retired" // taken out of service
)

// Bad reports whether s is a status that needs a person.
func (s Status) Bad() bool { return s == StatusUnauthenticated || s == StatusMissing }

// Record is the status of one workload: the data of status.changed and
// status.updated, and what the API serves.
type Record struct {
	Workload string            `json:"workload"`
	Labels   map[string]string `json:"labels,omitempty"`
	Status   Status            `json:"status"`
	Previous Status            `json:"previous,omitempty"` // the status before this one, never equal to it
	Since    time.Time         `json:"since"`              // when Status began, by the broker's clock
	// Reason is the machine-readable cause of Status: one of the Reason or Problem
	// constants, or the upstream's error code. Absent when nothing is wrong. While
	// a new credential is unverified, it is the open incident's.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"` // for people: what happened and what to do
	// Incident is the id of the open incident: from entering a bad status until the
	// upstream accepts a credential. Absent when none is open.
	Incident       string      `json:"incident,omitempty"`
	IncidentOpened *time.Time  `json:"incident_opened,omitempty"` // of the open one, by the broker's clock
	LastIncident   *Incident   `json:"last_incident,omitempty"`   // the latest closed one
	Incidents      int64       `json:"incidents,omitempty"`       // how many were opened so far
	Credential     *Credential `json:"credential,omitempty"`      // the current one
	Upstream       string      `json:"upstream,omitempty"`
	Evidence       *Evidence   `json:"evidence,omitempty"` // behind a bad status
	// AcceptedElsewhere is a request of another kind that the rejected credential
	// was accepted for lately.
	AcceptedElsewhere *Acceptance `json:"accepted_elsewhere,omitempty"`
	Forbidden         *Forbidden  `json:"forbidden,omitempty"` // the latest auth.forbidden of the current credential
	// Acknowledged says who takes care of the open incident. Nobody is reminded of it
	// until then.
	Acknowledged *Acknowledgement `json:"acknowledged,omitempty"`
	Cause        *Cause           `json:"cause,omitempty"`     // the event behind Status
	Observed     *Position        `json:"observed,omitempty"`  // the last observation that shaped this record
	Observers    []Observer       `json:"observers,omitempty"` // what each proxy said last, by source
}

// Observer is what one source said last about the workload's credential. It is
// kept to tell a repeated event from a new one, and a replaced credential from
// its successor although no two clocks agree.
type Observer struct {
	Source      string     `json:"source"` // of the event: urn:authwatch:proxy:<instance>
	Type        string     `json:"type"`
	ID          string     `json:"id"`
	Time        time.Time  `json:"time"`                  // of the event, by the source's clock
	SkewMS      int64      `json:"skew_ms,omitempty"`     // broker's clock minus the source's, the least seen
	Fingerprint string     `json:"fingerprint,omitempty"` // of the credential it uses, empty: none
	LoadedAt    *time.Time `json:"loaded_at,omitempty"`   // by the source's clock
	Rejections  int64      `json:"rejections,omitempty"`  // the count in its latest auth.unauthorized of this credential
}

// Evidence is what was seen of the upstream's rejections.
type Evidence struct {
	Request    *Request   `json:"request,omitempty"`
	Response   *Response  `json:"response,omitempty"`
	Rejections int64      `json:"rejections,omitempty"`
	FirstSeen  *time.Time `json:"first_seen,omitempty"`
}

// Forbidden says that the credential is alive and lacks scope.
type Forbidden struct {
	At       time.Time `json:"at"`
	Scopes   []string  `json:"scopes,omitempty"`
	Request  *Request  `json:"request,omitempty"`
	Response *Response `json:"response,omitempty"`
}

// Incident is one open-to-close span of bad statuses.
type Incident struct {
	ID     string    `json:"id"`
	Opened time.Time `json:"opened"`
	Closed time.Time `json:"closed"`
	Reason string    `json:"reason,omitempty"`
	// Retired says that it closed because the workload was taken out of service, and
	// not because the upstream accepted a credential.
	Retired bool `json:"retired,omitempty"`
}

// Acknowledgement is a person's word that the open incident is in hand.
type Acknowledgement struct {
	By    string     `json:"by,omitempty"`
	At    time.Time  `json:"at"`              // by the broker's clock
	Until *time.Time `json:"until,omitempty"` // absent: until the incident closes
	Note  string     `json:"note,omitempty"`
}

// Holds reports whether the acknowledgement is there and has not ended.
func (a *Acknowledgement) Holds(now time.Time) bool {
	return a != nil && (a.Until == nil || now.Before(*a.Until))
}

// Cause names an event.
type Cause struct {
	Type string    `json:"type"`
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	// TraceParent is the event's trace, where it has one: what is told of the
	// status belongs to it, however much later.
	TraceParent string `json:"traceparent,omitempty"`
}

// Position is a place in the AUTH stream: the one order of all observations. A
// stream that was created anew starts over, so its creation time is part of it.
type Position struct {
	Sequence uint64    `json:"sequence"`
	Stream   time.Time `json:"stream"`
}
