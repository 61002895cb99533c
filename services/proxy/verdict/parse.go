package verdict

import (
	"strings"

	"github.com/authwatch/authwatch/services/internal/redact"
)

// What is read of all fields of one answer together; servers send one challenge
// or two.
const (
	maxBytes      = 8 << 10
	maxChallenges = 16
	maxParams     = 32
)

// maxLine is how much of one field is parsed. It is more than what is kept, so
// that a secret is whole when it is looked for.
const maxLine = 4 * maxBytes

// ParseChallenges reads the values of all WWW-Authenticate fields of an answer
// (RFC 9110 section 11). It never fails: what cannot be understood is left out,
// the rest is kept, and an unterminated quote ends with its line.
//
// Some servers repeat the token that they refuse. Secrets are taken out once
// quotes and escapes are undone and before anything is cut, so nothing that is
// made of the answer holds one.
func ParseChallenges(header []string, secrets *redact.Filter) []Challenge {
	var found []Challenge
	left := maxLine
	for _, line := range header {
		if left <= 0 {
			break
		}
		p := parser{line: line[:min(len(line), maxLine)], found: found}
		p.parse()
		left -= len(p.line)
		found = p.found
	}
	left = maxBytes
	for i := range found {
		found[i].redact(secrets)
		left -= found[i].cut(left)
	}
	return found
}

func (c *Challenge) redact(secrets *redact.Filter) {
	c.Scheme, c.Token68 = secrets.Text(c.Scheme), secrets.Text(c.Token68)
	for i := range c.Params {
		p := &c.Params[i]
		p.Name, p.Value = secrets.Text(p.Name), secrets.Text(p.Value)
	}
}

// cut shortens c to about most bytes and returns how many it has.
func (c *Challenge) cut(most int) (size int) {
	short := func(text string) string {
		text = text[:max(min(len(text), most-size), 0)]
		size += len(text)
		return text
	}
	c.Token68 = short(c.Token68)
	for i := range c.Params {
		c.Params[i].Value = short(c.Params[i].Value)
	}
	return size + len(c.Scheme)
}

type parser struct {
	line  string
	at    int
	found []Challenge // also of the fields before: all are one list
}

func (p *parser) parse() {
	for p.skip(" \t,"); p.at < len(p.line); p.skip(" \t,") {
		start := p.at
		name := p.token()
		switch {
		case name == "" && p.line[p.at] == '"' && p.positional():
		case name == "":
			p.skipElement()
		case p.accept('='):
			p.param(name)
		case p.at < len(p.line) && !strings.ContainsRune(" \t,", rune(p.line[p.at])), !p.fresh(start):
			p.skipElement()
		default:
			p.challenge(name)
		}
	}
}

// challenge begins one; its parameters follow by themselves.
func (p *parser) challenge(scheme string) {
	if len(p.found) == maxChallenges {
		p.at = len(p.line)
		return
	}
	c := Challenge{Scheme: scheme}
	p.skip(" \t")
	start := p.at
	if value := p.token68(); value != "" {
		if p.skip(" \t"); p.at == len(p.line) || p.line[p.at] == ',' {
			c.Token68 = value
		} else {
			p.at = start
		}
	}
	p.found = append(p.found, c)
}

func (p *parser) param(name string) {
	p.skip(" \t")
	var value string
	if p.at < len(p.line) && p.line[p.at] == '"' {
		value = p.quoted()
	} else {
		// More than the grammar's token: servers leave the quotes of URLs away.
		start := p.at
		p.skipUntil(" \t,")
		value = p.line[start:p.at]
	}
	if len(p.found) == 0 {
		return
	}
	c := &p.found[len(p.found)-1]
	if c.Token68 != "" || len(c.Params) == maxParams {
		return
	}
	c.Params = append(c.Params, Param{Name: strings.ToLower(name), Value: value})
}

// positions are the parameters of a challenge that gives them without names, as
// in: OAuth "Facebook Platform" "invalid_token" "…".
var positions = []string{"realm", "error", "error_description"}

// positional takes a value without a name. It reports false where none can be.
func (p *parser) positional() bool {
	if len(p.found) == 0 {
		return false
	}
	c := &p.found[len(p.found)-1]
	n := len(c.Params)
	if c.Is("Bearer") || c.Token68 != "" || n >= len(positions) || n > 0 && c.Params[n-1].Name != positions[n-1] {
		return false
	}
	c.Params = append(c.Params, Param{Name: positions[n], Value: p.quoted()})
	return true
}

// fresh reports whether a challenge may begin at start: at the beginning of an
// element, or, where a comma was forgotten, when a parameter or a value follows
// that belongs to it. Else a word is the rest of a value without its quotes.
func (p *parser) fresh(start int) bool {
	before := strings.TrimRight(p.line[:start], " \t")
	if before == "" || before[len(before)-1] == ',' {
		return true
	}
	ahead := parser{line: p.line, at: p.at}
	ahead.skip(" \t")
	return ahead.token() != "" && ahead.accept('=')
}

// accept takes c, with white space before it; if it is not there, it takes nothing.
func (p *parser) accept(c byte) bool {
	start := p.at
	p.skip(" \t")
	if p.at < len(p.line) && p.line[p.at] == c {
		p.at++
		return true
	}
	p.at = start
	return false
}

func (p *parser) token() string {
	start := p.at
	for p.at < len(p.line) && isToken(p.line[p.at]) {
		p.at++
	}
	return p.line[start:p.at]
}

func (p *parser) token68() string {
	start := p.at
	for p.at < len(p.line) && isToken68(p.line[p.at]) {
		p.at++
	}
	if p.at == start {
		return ""
	}
	p.skip("=")
	return p.line[start:p.at]
}

// quoted reads a quoted-string; the opening quote is at the position.
func (p *parser) quoted() string {
	var b strings.Builder
	for p.at++; p.at < len(p.line); p.at++ {
		switch c := p.line[p.at]; {
		case c == '"':
			p.at++
			return b.String()
		case c == '\\' && p.at+1 < len(p.line):
			p.at++
			b.WriteByte(p.line[p.at])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// skipElement skips garbage up to the next comma outside quotes.
func (p *parser) skipElement() {
	for p.at < len(p.line) && p.line[p.at] != ',' {
		if p.line[p.at] == '"' {
			p.quoted()
		} else {
			p.at++
		}
	}
}

func (p *parser) skip(set string) {
	for p.at < len(p.line) && strings.IndexByte(set, p.line[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) skipUntil(set string) {
	for p.at < len(p.line) && strings.IndexByte(set, p.line[p.at]) < 0 {
		p.at++
	}
}

func isAlnum(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }

func isToken(c byte) bool { return isAlnum(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 }

func isToken68(c byte) bool { return isAlnum(c) || strings.IndexByte("-._~+/", c) >= 0 }
