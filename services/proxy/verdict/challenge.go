package verdict

import (
	"cmp"
	"strings"

	"github.com/authwatch/authwatch/events"
)

// Challenge is one challenge of a WWW-Authenticate field (RFC 9110 section 11.6.1).
// Its text is the upstream's, as it came; [Challenge.Event] makes it safe.
type Challenge struct {
	Scheme  string  `json:"scheme"`
	Token68 string  `json:"token68,omitempty"` // instead of parameters: "Negotiate YII="
	Params  []Param `json:"params,omitempty"`
}

// Param is an auth-param. Name is in lower case.
type Param struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// get returns the first parameter called name, which is in lower case.
func (c *Challenge) get(name string) string {
	for _, p := range c.Params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Is reports whether c is of the scheme, whose case does not matter.
func (c *Challenge) Is(scheme string) bool { return strings.EqualFold(c.Scheme, scheme) }

// code is the OAuth error code, in lower case, where one is given.
func (c *Challenge) code() string { return events.Code(c.get("error")) }

// Event returns c as events carry it: printable, bounded, without token68. Nil
// for a nil c.
func (c *Challenge) Event() *events.Challenge {
	if c == nil {
		return nil
	}
	return &events.Challenge{
		Scheme:           events.CleanText(c.Scheme, 64),
		Error:            events.CleanText(c.get("error"), 64),
		ErrorDescription: events.CleanText(cmp.Or(c.get("error_description"), c.get("errordescription")), 300),
		Realm:            events.CleanText(c.get("realm"), 200),
		Scope:            events.CleanText(c.get("scope"), 1000),
		ResourceMetadata: events.CleanText(c.get("resource_metadata"), 500),
	}
}
