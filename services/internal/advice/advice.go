// Package advice words what a workload's credential is like and what a person
// does about it. Clients of the proxy, subscribers, the page, alerts and the
// commands all show these words.
package advice

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
)

// Case is what is known of one workload's credential.
type Case struct {
	Status events.Status
	Source events.Source
	Reason string // of [events]; of the open incident while the status is unverified

	Response *events.Response // unauthenticated: the answer that rejected the credential
	// Refused for one kind of request: which one, and what was accepted meanwhile.
	Request   *events.Request
	Elsewhere *events.Acceptance
	Detail    string     // missing: what reading the source came to; retired: why
	Expires   *time.Time // expiring
}

// Text is what the matter is and the one thing to do about it. It is empty for a
// status that this version does not know.
func (c Case) Text() string {
	what, do := c.What(), c.Do()
	if do == "" {
		return what
	}
	return what + " " + do
}

// What says what the matter is.
func (c Case) What() string {
	switch c.Status {
	case events.StatusUnauthenticated:
		return c.rejected()
	case events.StatusMissing:
		return c.missing()
	case events.StatusExpiring:
		when := "soon"
		if c.Expires != nil {
			when = "at " + c.Expires.UTC().Format("2006-01-02 15:04 UTC")
		}
		return fmt.Sprintf("%s expires %s.", token(c.Source), when)
	case events.StatusUnverified:
		text := token(c.Source) + " was loaded. The upstream has not answered a request with it yet."
		if c.Reason != "" {
			text += fmt.Sprintf(" Previous problem: %s.", c.Reason)
		}
		return text
	case events.StatusRunning:
		return fmt.Sprintf("the upstream accepts %s.", token(c.Source))
	case events.StatusRetired:
		if detail := because(c.Detail); detail != "" {
			return "it was taken out of service" + detail + "."
		}
		return "it was removed from the configuration."
	}
	return ""
}

// Do says the one thing to do, or "" if there is nothing.
func (c Case) Do() string {
	do := remedies[c.Source.Kind]
	switch c.Status {
	case events.StatusUnauthenticated:
		switch c.Reason {
		case events.ReasonRefusedClass:
			return "Check that the token has the right to do this; some servers check the token on some requests only."
		case events.ReasonOtherScheme:
			return "Check the upstream's URL and which kind of credential it accepts."
		}
		return do.replace
	case events.StatusExpiring:
		return do.renew
	case events.StatusMissing:
		switch c.Reason {
		case events.ProblemNotFound:
			return do.create
		case events.ProblemMalformed:
			return do.correct
		case events.ProblemUnread:
			return do.allow
		case events.ProblemRefused:
			return do.authorize
		case events.ProblemFailed:
			return do.repair
		}
		return do.provide
	}
	return ""
}

func (c Case) rejected() string {
	status, challenge := 401, events.Challenge{}
	if r := c.Response; r != nil {
		if r.Status != 0 {
			status = r.Status
		}
		if r.Challenge != nil {
			challenge = *r.Challenge
		}
	}
	switch c.Reason {
	case events.ReasonRefusedClass:
		accepted := "otherwise"
		if e := c.Elsewhere; e != nil {
			accepted = fmt.Sprintf("for %s at %s", plain(e.Request.Name()), e.At.UTC().Format("15:04:05 UTC"))
		}
		return fmt.Sprintf("the upstream refuses %s with %s, and accepted the same token %s.", plain(c.Request.Name()), token(c.Source), accepted)
	case events.ReasonBare401:
		return fmt.Sprintf("the upstream answered %d to %s and did not say why. Most often it has expired or was revoked.", status, token(c.Source))
	case events.ReasonOtherScheme:
		return fmt.Sprintf("the upstream answered %d to %s and asks for %s authentication, which this is not.",
			status, token(c.Source), cmp.Or(plain(challenge.Scheme), "another kind of"))
	}
	return fmt.Sprintf("the upstream rejected %s (%s%s).", token(c.Source), c.Reason, quoted(challenge.ErrorDescription))
}

func (c Case) missing() string {
	at, detail := place(c.Source), because(c.Detail)
	switch c.Reason {
	case events.ProblemRefused:
		return fmt.Sprintf("%s refused to give a token%s.", at, detail)
	case events.ProblemFailed:
		return fmt.Sprintf("%s failed to give a token%s.", at, detail)
	}
	if c.Source.Kind == events.SourceFile || c.Source.Kind == events.SourceEnv {
		switch c.Reason {
		case events.ProblemNotFound:
			if c.Source.Kind == events.SourceEnv {
				return fmt.Sprintf("there is no token: %s is not set.", at)
			}
			return fmt.Sprintf("there is no token: %s does not exist.", at)
		case events.ProblemEmpty:
			return fmt.Sprintf("there is no token: %s is empty.", at)
		case events.ProblemMalformed:
			return fmt.Sprintf("%s holds no usable token%s.", at, detail)
		case events.ProblemUnread:
			return fmt.Sprintf("%s cannot be read%s.", at, detail)
		}
	}
	return fmt.Sprintf("there is no usable token from %s%s.", at, detail)
}

// because appends what somebody else wrote.
func because(text string) string {
	if text = strings.TrimRight(plain(text), ".… "); text == "" {
		return ""
	}
	return ": " + text
}

// quoted appends what the upstream wrote, so that nobody takes its words for ours.
func quoted(text string) string {
	if text = strings.TrimRight(plain(text), ". "); text == "" {
		return ""
	}
	return `: "` + strings.ReplaceAll(text, `"`, "'") + `"`
}

// plain bounds text from outside, so that it fits into a sentence.
func plain(text string) string { return events.CleanText(text, 300) }
