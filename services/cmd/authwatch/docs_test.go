package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	code     = regexp.MustCompile("(?s)```sh\n.*?```|`[^`\n]+`")
	commands = regexp.MustCompile(`(?m)(?:^|\x60|bin/)authwatch ((?:[a-z]+ ?)+)([^\x60\n]*)`)
)

func TestEveryCommandOfTheDocumentsExists(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, name := range []string{"README.md", "docs/cli.md", "docs/operations.md"} {
		text, err := os.ReadFile("../../../" + name)
		require.NoError(t, err)
		for _, span := range code.FindAllString(string(text), -1) {
			for _, m := range commands.FindAllStringSubmatch(span, -1) {
				seen++
				c, rest, err := newRoot().Find(strings.Fields(m[1]))
				require.NoError(t, err, "%s: %s", name, m[0])
				require.True(t, c.HasParent(), "%s: %q is no command (%q)", name, m[0], rest)
				for flag := range strings.FieldsSeq(m[2]) {
					if long, ok := strings.CutPrefix(strings.Trim(flag, "[];,"), "--"); ok {
						require.NotNil(t, c.Flags().Lookup(long), "%s: %s has no --%s", name, c.CommandPath(), long)
					}
				}
			}
		}
	}
	require.Greater(t, seen, 20)
}

func TestEveryCommandIsDescribed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/cli.md")
	require.NoError(t, err)
	for _, c := range newRoot().Commands() {
		if c.GroupID == "help" || c.Name() == "completion" || c.Name() == "help" {
			continue
		}
		require.Contains(t, string(text), "`authwatch "+c.Name(), "docs/cli.md says nothing of it")
		require.NotEmpty(t, c.GroupID, c.Name())
		require.NotEmpty(t, c.Short, c.Name())
	}
}
