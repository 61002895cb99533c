package verdict

// Kind is what an answer says about the credential.
type Kind int

// Most answers say nothing, in either direction.
const (
	Nothing   Kind = iota
	Accepted       // the upstream took it
	Rejected       // the upstream refused it: expired, revoked, unknown
	Forbidden      // it is alive and lacks scope
)

// String is the name in metrics and logs.
func (k Kind) String() string { return [...]string{"nothing", "accepted", "rejected", "forbidden"}[k] }

// Answer is what is looked at.
type Answer struct {
	Method     string // of the request
	Discovery  bool   // the request was for OAuth metadata or registration
	Status     int
	Challenges []Challenge
}

// Reasons of a rejection, where the upstream gave no OAuth error code.
const (
	ReasonBare401     = "bare_401"     // no challenge, or one that does not say why
	ReasonOtherScheme = "other_scheme" // the challenge is not for bearer tokens
)

// Verdict is the judgement on one answer.
type Verdict struct {
	Kind      Kind
	Reason    string     // of Rejected and Forbidden: an OAuth error code or a Reason constant
	Challenge *Challenge // that decided; nil where none did
	Scopes    []string   // that are missing (Forbidden), where the upstream names them
}

// Judge returns the verdict on a.
func Judge(_ Answer) Verdict { return Verdict{} }
