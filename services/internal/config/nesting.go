package config

import (
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// The parser takes a time that is quadratic in the depth of a file and in the
// keys of a mapping, so both are bounded before it runs.
const (
	maxDepth = 32
	maxKeys  = 256
)

// tokens returns the text in the parts that the parser takes, or reports on which
// line it becomes too deep or too wide. The scanner returns only once it has read
// all that it is given, so a long text is begun with less.
func (d *decoder) tokens(text []byte) (token.Tokens, bool) {
	const begin = 64 << 10
	for size := begin; ; size *= 8 {
		size = min(size, len(text))
		all := lexer.Tokenize(string(text[:size]))
		var open collections
		for _, t := range all {
			if wrong := open.add(t); wrong != "" {
				d.fail(t.Position.Line, "", "%s", wrong)
				return nil, false
			}
		}
		if size == len(text) {
			return all, true
		}
	}
}

// collections are the lists and mappings around a token.
type collections []collection

type collection struct {
	flow   bool // in brackets
	column int  // where its entries begin, if not in brackets
	keys   int
}

// add follows a token and says what is too much.
func (c *collections) add(t *token.Token) string {
	inFlow := len(*c) > 0 && (*c)[len(*c)-1].flow
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		*c = append(*c, collection{flow: true})
	case token.MappingEndType, token.SequenceEndType:
		if inFlow {
			*c = (*c)[:len(*c)-1]
		}
	case token.SequenceEntryType:
		if !inFlow {
			c.block(t.Position.Column)
		}
	case token.MappingValueType:
		if !inFlow && t.Prev != nil {
			c.block(t.Prev.Position.Column)
		}
		if len(*c) > 0 {
			(*c)[len(*c)-1].keys++
		}
	}
	switch last := len(*c) - 1; {
	case last >= maxDepth:
		return "lists and mappings are nested too deep here"
	case last >= 0 && (*c)[last].keys > maxKeys:
		return "the mapping has too many keys"
	}
	return ""
}

// block enters the list or mapping whose entries begin at column, and leaves
// those that are indented more.
func (c *collections) block(column int) {
	last := len(*c) - 1
	for last >= 0 && !(*c)[last].flow && (*c)[last].column > column {
		last--
	}
	*c = (*c)[:last+1]
	if last < 0 || (*c)[last].column != column {
		*c = append(*c, collection{column: column})
	}
}
