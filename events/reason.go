package events

import "strings"

// Reasons are what [Record.Reason] says, and the proxy's own answers with it.
// Besides them there are the Problem constants and the error codes that an
// upstream's challenge names. Readers must tolerate new values.
const (
	ReasonInvalidToken      = "invalid_token"      // RFC 6750: expired, revoked, malformed
	ReasonInsufficientScope = "insufficient_scope" // RFC 6750: the token works, but not for this
	ReasonBare401           = "bare_401"           // no challenge, or one that does not say why
	ReasonOtherScheme       = "other_scheme"       // the challenge is not for what was sent
	ReasonRefusedClass      = "refused_class"      // one kind of request is refused, another accepted
	ReasonMissing           = "missing"            // no credential, and the event names no problem
	ReasonExpiresSoon       = "expires_soon"
)

// Reason is why the observation is bad news, or "" for a type that is good news.
func (o Observation) Reason(typ string) string {
	switch typ {
	case TypeUnauthorized, TypeForbidden:
		if o.refusedClass() {
			return ReasonRefusedClass
		}
		reason := o.Response.Reason(o.Credential.scheme())
		if reason == ReasonOtherScheme && o.AcceptedAt != nil {
			return ReasonBare401 // the scheme cannot be the reason
		}
		return reason
	case TypeMissing:
		if problem := Code(o.Problem); problem != "" {
			return problem
		}
		return ReasonMissing
	case TypeExpiring:
		return ReasonExpiresSoon
	}
	return ""
}

// refusedClass reports whether the credential was accepted by a request that was
// sent after the rejections began.
func (o Observation) refusedClass() bool {
	return o.AcceptedElsewhere != nil && o.FirstSeen != nil && !o.AcceptedElsewhere.At.Before(*o.FirstSeen)
}

// Reason is why the upstream rejected the credential, as far as r says. scheme is
// that of the credential. r may be nil.
func (r *Response) Reason(scheme string) string {
	if r == nil {
		return ReasonBare401
	}
	if rule := Code(r.Rule); rule != "" {
		return rule
	}
	return r.Challenge.Reason(scheme)
}

// Reason is why the upstream rejected the credential, as far as c says. c is nil
// where the answer had no challenge, and scheme as in [Credential].
func (c *Challenge) Reason(scheme string) string {
	switch {
	case c == nil:
		return ReasonBare401
	case c.Scheme != "" && !c.isFor(scheme):
		return ReasonOtherScheme
	}
	if code := Code(c.Error); code != "" {
		return code
	}
	return ReasonBare401
}

// isFor reports whether a credential of the scheme may be what c asks for.
func (c *Challenge) isFor(scheme string) bool {
	switch {
	case scheme == SchemeNone, strings.EqualFold(c.Scheme, scheme):
		return true
	case scheme == "", strings.EqualFold(scheme, "Bearer"):
		return strings.EqualFold(c.Scheme, "Bearer") || strings.EqualFold(c.Scheme, "OAuth")
	}
	return c.Error != "" // an error is about what was sent, whatever is asked for
}

// Code returns s in lower case if it is a machine-readable code of [a-z0-9_]{1,40},
// else "". It removes nothing but the white space around it: text that is no code
// must not become one, and a token that was split must not come out joined.
func Code(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 40 || strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	}) {
		return ""
	}
	return strings.ToLower(s)
}
