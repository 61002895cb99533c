package events

import "time"

// The types of what a proxy publishes. The data is an [Observation].
const (
	// TypeUnauthorized says that the upstream rejected the workload's current
	// credential. It is an edge: one event, not one for every 401. A proxy that was
	// restarted may say it once more for the same death, and it is repeated every
	// few minutes, with a new id, while the upstream goes on rejecting.
	//
	// Data: Observation with Credential, Request, Response, Rejections, FirstSeen.
	TypeUnauthorized = "auth.unauthorized"

	// TypeAuthorized says that the upstream accepted the workload's credential: for
	// the first time, or again after it rejected the same class of request.
	//
	// Data: Observation with Credential, Request and Response.
	TypeAuthorized = "auth.authorized"

	// TypeForbidden says that the credential is alive but lacks scope (RFC 6750
	// section 3.1, insufficient_scope). It changes no status.
	//
	// Data: Observation with Credential, Request, Response and Scopes.
	TypeForbidden = "auth.forbidden"

	// TypeLoaded says that a proxy loaded a credential: when it started, and each
	// time the value changed. It says nothing about whether the upstream takes it.
	//
	// Data: Observation with Credential.
	TypeLoaded = "auth.loaded"

	// TypeMissing says that no usable credential is there: the file is gone, empty
	// or malformed, the helper or the token endpoint failed.
	//
	// Data: Observation with Credential (its source, no fingerprint), Problem and
	// Detail.
	TypeMissing = "auth.missing"

	// TypeExpiring says that the credential will expire: 7 days, 1 day, 1 hour and 5
	// minutes before, where the expiry is known.
	//
	// Data: Observation with Credential and its ExpiresAt.
	TypeExpiring = "auth.expiring"

	// TypeRetired says that a workload was taken out of the configuration that served
	// it, or that a person let authwatch forget one that nobody serves. A proxy that
	// stops or crashes says nothing of the kind.
	//
	// Data: Observation with Detail or, from a person, By and Note.
	TypeRetired = "auth.retired"

	// TypeAcknowledged says that a person takes care of the open incident: until then
	// nobody is reminded of it. It comes from a person or a program for one.
	//
	// Data: Observation with By, and Incident, Note and Until where they are given.
	TypeAcknowledged = "auth.acknowledged"
)

// Observation is the data of every auth.* event: one fact about the credential
// of one workload, as one proxy saw it. A field is absent where it is unknown.
//
// It holds no secret, query string, userinfo or body.
type Observation struct {
	Workload   string            `json:"workload"`
	Labels     map[string]string `json:"labels,omitempty"`   // of the workload, from the configuration
	Upstream   string            `json:"upstream,omitempty"` // URL without userinfo and query
	Credential *Credential       `json:"credential,omitempty"`
	Request    *Request          `json:"request,omitempty"`
	Response   *Response         `json:"response,omitempty"`
	// Rejections counts the consecutive rejected answers behind this event.
	Rejections int64      `json:"rejections,omitempty"`
	FirstSeen  *time.Time `json:"first_seen,omitempty"` // of the first of those rejections
	// AcceptedAt is when this very credential was accepted last, to about a second
	// (auth.unauthorized). Absent: never, as far as the proxy knows.
	AcceptedAt *time.Time `json:"accepted_at,omitempty"`
	// AcceptedElsewhere is a request of another kind that the same credential was
	// accepted for (auth.unauthorized). Sent before FirstSeen, it is only worth
	// knowing; sent after it, the credential is alive and refused for one kind of
	// request: see [ReasonRefusedClass].
	AcceptedElsewhere *Acceptance `json:"accepted_elsewhere,omitempty"`
	// Scopes are the scopes that the upstream asked for (auth.forbidden).
	Scopes []string `json:"scopes,omitempty"`
	// Problem says why no credential is usable (auth.missing): one of the
	// Problem constants, and Detail what to look at, in words.
	Problem string `json:"problem,omitempty"`
	Detail  string `json:"detail,omitempty"`
	// By is who said it, where that is a person, and Note why (auth.retired,
	// auth.acknowledged).
	By   string `json:"by,omitempty"`
	Note string `json:"note,omitempty"`
	// Incident is the acknowledged one; absent: whichever is open. Until is when the
	// acknowledgement ends; absent: with the incident.
	Incident string     `json:"incident,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
}

// Why a credential is missing. Readers must tolerate new values.
const (
	ProblemNotFound  = "not_found"  // the file or variable does not exist
	ProblemEmpty     = "empty"      // it exists and holds nothing
	ProblemMalformed = "malformed"  // a literal ${VAR}, a doubled "Bearer ", control characters
	ProblemUnread    = "unreadable" // permissions, an I/O error
	ProblemRefused   = "refused"    // the helper or token endpoint refused for good (invalid_grant)
	ProblemFailed    = "failed"     // the helper or token endpoint failed
)

// Credential refers to a credential, never by value.
type Credential struct {
	// Fingerprint is a truncated keyed hash: the same token has the same
	// fingerprint on every replica and workload. Absent when there is no token.
	Fingerprint string `json:"fingerprint,omitempty"`
	Source      string `json:"source,omitempty"` // "file /run/secrets/github"
	// Scheme is what it is sent with in Authorization: "Basic". Absent: Bearer.
	// [SchemeNone]: it is sent in other headers.
	Scheme    string     `json:"scheme,omitempty"`
	LoadedAt  *time.Time `json:"loaded_at,omitempty"`  // when this value was first read
	ExpiresAt *time.Time `json:"expires_at,omitempty"` // where the source or the token says so
}

// SchemeNone is the scheme of a credential that is not sent in Authorization.
const SchemeNone = "none"

func (c *Credential) scheme() string {
	if c == nil {
		return ""
	}
	return c.Scheme
}

// Request is the request that was answered: enough to recognise it, no more.
type Request struct {
	Method    string `json:"method,omitempty"`
	Path      string `json:"path,omitempty"` // without the query
	MCPMethod string `json:"mcp_method,omitempty"`
	MCPName   string `json:"mcp_name,omitempty"`
}

// Name is the request for people: "tools/call", or "GET /items".
func (r *Request) Name() string {
	switch {
	case r == nil:
		return "another request"
	case r.MCPMethod != "":
		return r.MCPMethod
	}
	return r.Method + " " + r.Path
}

// Acceptance is a request that the upstream accepted.
type Acceptance struct {
	Request *Request  `json:"request,omitempty"`
	At      time.Time `json:"at"` // when it was sent, by the proxy's clock
}

// Response is the upstream's answer.
type Response struct {
	Status    int        `json:"status,omitempty"`
	Challenge *Challenge `json:"challenge,omitempty"`
	// Rule is the reason that a rule of the workload or its provider gives, where
	// one decided and not HTTP. Address is where a person can let the credential in
	// ([TypeForbidden]), without query.
	Rule    string `json:"rule,omitempty"`
	Address string `json:"address,omitempty"`
}

// Challenge is the WWW-Authenticate challenge that decided (RFC 9110 section
// 11.6.1, RFC 6750 section 3). Its text was written by the upstream: it is valid
// UTF-8, bounded and free of control characters, and otherwise untrusted.
type Challenge struct {
	Scheme           string `json:"scheme,omitempty"`
	Error            string `json:"error,omitempty"`
	ErrorDescription string `json:"error_description,omitempty"`
	Realm            string `json:"realm,omitempty"`
	Scope            string `json:"scope,omitempty"`
	ResourceMetadata string `json:"resource_metadata,omitempty"`
}
