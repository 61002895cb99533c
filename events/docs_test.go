package events_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/authwatch/authwatch/events"
)

// typeConstants counts the package's Type constants in its source: one that Types
// leaves out is found too.
func typeConstants(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	count := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Type") && !strings.HasSuffix(name, "_test.go") {
				count++
			}
			return true
		})
	}
	return count
}

func TestEveryTypeIsListedAndHasASchemaAGoldenFileAndItsPlaceInTheDocs(t *testing.T) {
	t.Parallel()
	require.Len(t, events.Types(), typeConstants(t))
	page, err := os.ReadFile(filepath.Join("..", "docs", "events.md"))
	require.NoError(t, err)
	for _, typ := range events.Types() {
		require.NotEmpty(t, events.Schema(typ), typ)
		require.FileExists(t, golden(typ))
		require.Contains(t, string(page), "`"+typ+"`", "the table of docs/events.md")
		require.Contains(t, string(page), "\n### "+typ+"\n")
	}
	require.Nil(t, events.Schema("auth.other"))
	require.Nil(t, events.Schema("record"), "a shared shape is no type")
}

func TestTheExamplesOfTheDocsAreValid(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "events.md"))
	require.NoError(t, err)
	c := compiler(t)
	examples := regexp.MustCompile("(?s)\n### ([a-z.]+)\n.*?```json\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	require.Len(t, examples, len(events.Types()))
	for i, typ := range events.Types() {
		require.Equal(t, typ, examples[i][1], "in the order of the table")
		schema, err := c.Compile(events.SchemaURI(typ))
		require.NoError(t, err)
		data, err := jsonschema.UnmarshalJSON(strings.NewReader(examples[i][2]))
		require.NoError(t, err, typ)
		require.NoError(t, schema.Validate(data), typ)
	}
}

func TestTheAsyncAPIDescribesEveryTypeWithItsSchema(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join("..", "docs", "asyncapi.yaml"))
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, yaml.Unmarshal(body, &doc))
	require.Equal(t, "3.0.0", doc["asyncapi"])
	// Each reference leads somewhere: in the document, or to a schema's file.
	for _, match := range regexp.MustCompile(`\$ref: "([^"]+)"`).FindAllStringSubmatch(string(body), -1) {
		inside, ok := strings.CutPrefix(match[1], "#/")
		if !ok {
			require.FileExists(t, filepath.Join("..", "docs", match[1]))
			continue
		}
		var at any = doc
		for name := range strings.SplitSeq(inside, "/") {
			require.Contains(t, at, name, match[1])
			at = at.(map[string]any)[name]
		}
	}
	channels := doc["channels"].(map[string]any)
	require.Len(t, channels, len(events.Types()))
	require.Len(t, doc["operations"], len(events.Types()))
	messages := doc["components"].(map[string]any)["messages"].(map[string]any)
	require.Len(t, messages, len(events.Types()))
	var names []string
	for _, m := range messages {
		names = append(names, m.(map[string]any)["name"].(string))
		text, err := json.Marshal(m)
		require.NoError(t, err)
		name := names[len(names)-1]
		require.Contains(t, string(text), fmt.Sprintf(`"../events/schemas/%s.v1.json"`, name))
		require.Contains(t, string(text), fmt.Sprintf(`"const":%q`, events.SchemaURI(name)))
	}
	require.ElementsMatch(t, events.Types(), names)
	for key, c := range channels {
		channel := c.(map[string]any)
		if stream := channel["x-nats-stream"]; stream != nil {
			address := messages[key].(map[string]any)["name"].(string)
			if channel["parameters"] != nil { // a silence is about no single workload
				address += ".{workload}"
			}
			require.Equal(t, address, channel["address"])
		}
	}
}
