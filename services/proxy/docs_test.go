package proxy_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var verb = regexp.MustCompile(`%[a-z]`)

// refusals returns every text of the proxy's source, and of those the ones that
// say what is refused: problems of the configuration and of credentials, answers.
func refusals(t *testing.T) (all, refused []string) {
	t.Helper()
	text := func(n ast.Node, take func(string)) {
		ast.Inspect(n, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				s, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				take(s)
			}
			return true
		})
	}
	refuse := func(s string) {
		if strings.Contains(s, " ") {
			refused = append(refused, s)
		}
	}
	read := func(file string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && (file == "bench" || file == "conformance") {
			return fs.SkipDir
		}
		if err != nil || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		text(f, func(s string) { all = append(all, s) })
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if slices.Contains([]string{"add", "problem", "wrong", "malformed"}, called(n)) {
					text(n, refuse)
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && slices.Contains([]string{"Message", "Text", "detail"}, key.Name) {
					text(n.Value, refuse)
				}
			}
			return true
		})
		return nil
	}
	for _, dir := range []string{".", "../internal/outbound", "../internal/config/file.go"} {
		require.NoError(t, filepath.WalkDir(dir, read))
	}
	return all, refused
}

func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

func longest(pieces []string) string {
	return slices.MaxFunc(pieces, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
}

func TestTheDocumentsNameEveryRefusalAndNoOther(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(text), "\n## What the proxy refuses\n")
	section, _, _ = strings.Cut(section, "\n## ")
	all, refused := refusals(t)
	require.Greater(t, len(refused), 50)
	var unsaid, gone []string
	for _, s := range refused {
		if !strings.Contains(section, longest(verb.Split(s, -1))) {
			unsaid = append(unsaid, s)
		}
	}
	require.Empty(t, unsaid, "refused, and not in docs/operations.md")

	source := strings.Join(all, "\n")
	message := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.HasPrefix(cells[1], "--") {
			continue
		}
		rows++
		for _, m := range message.FindAllStringSubmatch(strings.Join(cells[1:len(cells)-2], "|"), -1) {
			for piece := range strings.SplitSeq(m[1], "…") {
				if !strings.Contains(source, strings.TrimSpace(piece)) {
					gone = append(gone, m[1])
				}
			}
		}
	}
	require.Empty(t, gone, "in docs/operations.md, and nothing says it")
	require.Greater(t, rows, 50)
}
