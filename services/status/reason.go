package status

import (
	"strings"

	"github.com/authwatch/authwatch/events"
)

// Reasons that are not an OAuth error code or a problem constant.
const (
	reasonBare401     = "bare_401"     // no challenge, or one that does not say why
	reasonOtherScheme = "other_scheme" // the challenge is not for bearer tokens
	reasonExpires     = "expires_soon"
	reasonMissing     = "missing" // auth.missing named no problem
)

// reason is the machine-readable cause of r's status after f. While an incident
// is open it is the incident's, also when a new credential waits for its verdict.
func reason(r events.Record, f fact, o Observation) string {
	switch {
	case f == unauthorized:
		return rejection(o.Data.Response)
	case f == missing && o.Data.Problem != "":
		return code(o.Data.Problem)
	case f == missing:
		return reasonMissing
	case r.Incident != "":
		return r.Reason
	case r.Status == events.StatusExpiring:
		return reasonExpires
	}
	return ""
}

func rejection(answer *events.Response) string {
	if answer == nil || answer.Challenge == nil {
		return reasonBare401
	}
	c := answer.Challenge
	switch {
	case c.Scheme != "" && !strings.EqualFold(c.Scheme, "Bearer"):
		return reasonOtherScheme
	case code(c.Error) == "":
		return reasonBare401
	}
	return code(c.Error)
}

// code bounds a machine-readable word that an upstream may have written.
func code(s string) string {
	s = strings.Map(func(c rune) rune {
		if c > ' ' && c < 0x7f && c != '"' && c != '\\' {
			return c
		}
		return -1
	}, s)
	return s[:min(len(s), 64)]
}
