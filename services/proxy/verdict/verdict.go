package verdict

import (
	"slices"
	"strings"

	"github.com/authwatch/authwatch/events"
)

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
	Status     int    // 0: none came
	Challenges []Challenge
}

// Reasons of a rejection, where the upstream gave no OAuth error code.
const (
	ReasonBare401     = "bare_401"     // no challenge, or one that does not say why
	ReasonOtherScheme = "other_scheme" // the challenge is not for bearer tokens
)

const (
	codeInvalidToken      = "invalid_token"
	codeInsufficientScope = "insufficient_scope"
)

// Verdict is the judgement on one answer.
type Verdict struct {
	Kind      Kind
	Reason    string     // of Rejected and Forbidden: an OAuth error code or a Reason constant
	Challenge *Challenge // that decided; nil where none did
	Scopes    []string   // that are missing (Forbidden), where the upstream names them
}

// Judge returns the verdict on a.
func Judge(a Answer) Verdict {
	v, _ := judge(&a)
	return v
}

// judge returns the row that decided too, nil for none.
func judge(a *Answer) (Verdict, *row) {
	if a.Discovery {
		return Verdict{}, nil
	}
	c := decisive(a.Challenges)
	says := anything
	if c != nil {
		switch c.code() {
		case codeInvalidToken:
			says = invalidToken
		case codeInsufficientScope:
			says = insufficientScope
		}
	}
	for i := range table {
		r := &table[i]
		if !r.matches(a, says) {
			continue
		}
		v := Verdict{Kind: r.kind}
		if v.Kind == Rejected || v.Kind == Forbidden {
			v.Challenge, v.Reason = c, reason(c)
		}
		if v.Kind == Forbidden {
			v.Scopes = strings.Fields(events.CleanText(c.Get("scope"), 1000))
		}
		return v, r
	}
	return Verdict{}, nil
}

// decisive returns the challenge that says most about a bearer token: one that
// calls it invalid, one that asks for scope, one for bearer tokens with another
// error or none, the first of another scheme.
func decisive(all []Challenge) *Challenge {
	rank := func(c *Challenge) int {
		n := 0
		switch c.code() {
		case codeInvalidToken:
			n = 8
		case codeInsufficientScope:
			n = 5
		case "":
		default:
			n = 1
		}
		if c.Is("Bearer") {
			n += 2
		}
		return n
	}
	var best *Challenge
	for i := range all {
		if c := &all[i]; best == nil || rank(c) > rank(best) {
			best = c
		}
	}
	return best
}

func reason(c *Challenge) string {
	switch {
	case c == nil:
		return ReasonBare401
	case !c.Is("Bearer"):
		return ReasonOtherScheme
	}
	// What the upstream made up becomes a reason only if it looks like a code.
	if code := c.code(); code != "" && len(code) <= 64 && !slices.ContainsFunc([]byte(code), notInCode) {
		return code
	}
	return ReasonBare401
}

func notInCode(b byte) bool {
	return (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '_' && b != '-' && b != '.'
}
