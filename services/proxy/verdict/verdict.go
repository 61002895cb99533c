package verdict

import (
	"net/http"
	"strings"

	"github.com/authwatch/authwatch/events"
)

// Kind is what an answer says about the credential.
type Kind int

// Most answers say nothing about the credential.
const (
	Nothing   Kind = iota
	Accepted       // the upstream took it
	Rejected       // the upstream refused it: expired, revoked, unknown
	Forbidden      // the credential is valid but lacks scope
)

// String is the name in metrics and logs.
func (k Kind) String() string { return [...]string{"nothing", "accepted", "rejected", "forbidden"}[k] }

// Response is what Judge looks at of an upstream's answer.
type Response struct {
	Method      string // of the request
	Accept      string // of the request
	Discovery   bool   // the request was for OAuth metadata or registration
	Status      int    // 0: none came
	ContentType string
	Challenges  []Challenge
	Scheme      string // of the credential; see [events.Credential]
}

// Verdict is the judgement on one answer.
type Verdict struct {
	Kind      Kind
	Strong    bool       // of Rejected: the answer names the token, and nothing else
	FromBody  bool       // a rule found it in the body, which may be about anything
	Reason    string     // of Rejected and Forbidden: see [events.Challenge.Reason]
	Challenge *Challenge // that decided; nil where none did
	Scopes    []string   // that are missing (Forbidden), where the upstream names them
	// Rule is the reason that a rule gives, where one decided and not the table.
	Rule    string
	Address string // where a person can let the credential in (Forbidden)
}

// Response is the answer as events carry it.
func (v *Verdict) Response(status int) events.Response {
	return events.Response{Status: status, Challenge: v.Challenge.Event(), Rule: v.Rule, Address: events.CleanText(v.Address, 500)}
}

// codeInsufficientClaims is said by services with continuous access evaluation:
// the token has to be replaced by one with certain claims.
const codeInsufficientClaims = "insufficient_claims"

// isPage reports whether the answer is an HTML page that nobody asked for. It was
// asked for if Accept names it: what takes anything is a program, which did not
// mean a page to sign in.
func (a *Response) isPage() bool {
	return isHTML(a.ContentType) && !asksForHTML(a.Accept)
}

func isHTML(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == "text/html" || kind == "application/xhtml+xml"
}

func asksForHTML(accept string) bool {
	for kind := range strings.SplitSeq(accept, ",") {
		if kind, _, _ = strings.Cut(kind, ";"); isHTML(kind) || strings.EqualFold(strings.TrimSpace(kind), "text/*") {
			return true
		}
	}
	return false
}

// Judge returns the verdict on a.
func Judge(a Response) Verdict {
	v, _ := judge(&a)
	return v
}

// judge returns the row that decided too, nil for none.
func judge(a *Response) (Verdict, *row) {
	if a.Discovery {
		return Verdict{}, nil
	}
	c := decisive(a.Challenges)
	says := anything
	if c != nil {
		switch c.code() {
		case events.ReasonInvalidToken, codeInsufficientClaims:
			says = invalidToken
		case events.ReasonInsufficientScope:
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
			v.Challenge, v.Reason = c, c.Event().Reason(a.Scheme)
		}
		v.Strong = v.Kind == Rejected && says == invalidToken && (a.Status != http.StatusForbidden || c.get("scope") == "")
		if v.Kind == Forbidden {
			v.Scopes = strings.Fields(events.CleanText(c.get("scope"), 1000))
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
		case events.ReasonInvalidToken, codeInsufficientClaims:
			n = 8
		case events.ReasonInsufficientScope:
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
