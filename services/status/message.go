package status

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/authwatch/authwatch/events"
)

// message says what is the matter and the one thing to do about it. The detail
// is that of an auth.missing.
func message(r events.Record, detail string) string {
	s := sourceOf(r.Credential)
	var text string
	switch r.Status {
	case events.StatusUnauthenticated:
		text = rejected(r, s)
	case events.StatusMissing:
		text = absent(r.Reason, s, plain(detail))
	case events.StatusExpiring:
		text = fmt.Sprintf("%s expires %s. %s", s.token(), expiry(r.Credential), s.renew())
	case events.StatusUnverified:
		text = s.token() + " was loaded; no request has shown yet whether the upstream accepts it."
		if r.Incident != "" {
			text += fmt.Sprintf(" The trouble before it: %s.", r.Reason)
		}
	case events.StatusRunning:
		text = fmt.Sprintf("the upstream accepts %s.", s.token())
	default:
		return ""
	}
	return r.Workload + ": " + text
}

func rejected(r events.Record, s source) string {
	var c events.Challenge
	answer := 401
	if e := r.Evidence; e != nil && e.Response != nil {
		if e.Response.Status != 0 {
			answer = e.Response.Status
		}
		if e.Response.Challenge != nil {
			c = *e.Response.Challenge
		}
	}
	said := plain(c.ErrorDescription)
	switch r.Reason {
	case events.ReasonBare401:
		return fmt.Sprintf("the upstream answered %d to %s and did not say why; most often it has expired or was revoked. %s", answer, s.token(), s.replace())
	case events.ReasonOtherScheme:
		return fmt.Sprintf("the upstream answered %d to %s and asks for %s authentication, which a bearer token cannot satisfy. Check the upstream's URL and what kind of credential it takes.", answer, s.token(), plain(c.Scheme))
	}
	why := r.Reason
	if said != "" {
		why += ": " + strings.TrimSuffix(said, ".")
	}
	return fmt.Sprintf("the upstream rejected %s (%s). %s", s.token(), why, s.replace())
}

func absent(problem string, s source, detail string) string {
	because := ""
	if detail != "" {
		because = ": " + strings.TrimSuffix(detail, ".")
	}
	switch problem {
	case events.ProblemNotFound:
		return fmt.Sprintf("there is no token: %s %s. %s", s.place(), s.isAbsent(), s.provide("a token"))
	case events.ProblemEmpty:
		return fmt.Sprintf("there is no token: %s is empty. %s", s.place(), s.provide("a token"))
	case events.ProblemMalformed:
		return fmt.Sprintf("what %s holds is not used as a token%s. %s", s.place(), because, s.provide("the bare token, and nothing else,"))
	case events.ProblemUnread:
		return fmt.Sprintf("%s cannot be read%s. %s", s.place(), because, s.allow())
	case events.ProblemRefused:
		return fmt.Sprintf("%s refused to give a token%s. %s", s.place(), because, s.authorize())
	case events.ProblemFailed:
		return fmt.Sprintf("%s failed to give a token%s. %s", s.place(), because, s.repair())
	}
	return fmt.Sprintf("there is no usable token from %s%s. %s", s.place(), because, s.provide("a token"))
}

func expiry(c *events.Credential) string {
	if c == nil || c.ExpiresAt == nil {
		return "soon"
	}
	return "at " + c.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC")
}

// plain makes text that somebody else wrote fit for one line of ours: printable,
// without the characters that reorder or hide text, and bounded.
func plain(s string) string {
	const most = 300
	var b strings.Builder
	n := 0
	for _, c := range s {
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
			c = ' '
		}
		if n++; n > most {
			b.WriteString("…")
			break
		}
		b.WriteRune(c)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
