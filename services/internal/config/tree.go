package config

import (
	"github.com/goccy/go-yaml/ast"
)

type entry struct {
	key   string
	line  int
	value ast.Node
}

// entries returns what a mapping holds, and reports keys given twice.
func (d *decoder) entries(m *ast.MappingNode, path string) []entry {
	entries := make([]entry, 0, len(m.Values))
	first := map[string]int{}
	for _, kv := range m.Values {
		key, at := kv.Key.GetToken().Value, lineOf(kv.Key)
		if kv.Key.IsMergeKey() {
			d.fail(at, path, "merge keys (<<) are not supported; write the keys out")
			continue
		}
		if before, ok := first[key]; ok {
			d.fail(at, path, "key %q is given twice, first on line %d", key, before)
			continue
		}
		first[key] = at
		entries = append(entries, entry{key, at, kv.Value})
	}
	return entries
}

func (d *decoder) collectAnchors(root ast.Node) { ast.Walk(anchors(d.anchors), root) }

type anchors map[string]ast.Node

func (a anchors) Visit(n ast.Node) ast.Visitor {
	if anchor, ok := n.(*ast.AnchorNode); ok {
		a[anchor.Name.GetToken().Value] = anchor.Value
	}
	return a
}

// resolve follows anchors and aliases to the value itself. An alias that leads
// nowhere, or to itself, becomes the alias node.
func (d *decoder) resolve(n ast.Node) ast.Node {
	for range 32 {
		switch node := n.(type) {
		case *ast.AnchorNode:
			n = node.Value
		case *ast.AliasNode:
			target, ok := d.anchors[node.Value.GetToken().Value]
			if !ok {
				return n
			}
			n = target
		default:
			return n
		}
	}
	return n
}

// lineOf returns the line on which a value begins.
func lineOf(n ast.Node) int {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	return n.GetToken().Position.Line
}

func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.TagNode:
		return "the tag " + n.GetToken().Value + " (tags are not supported)"
	case *ast.AliasNode:
		return "the unknown anchor *" + n.Value.GetToken().Value
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	}
	return "text"
}
