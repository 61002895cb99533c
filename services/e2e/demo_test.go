package e2e_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheDemoShowsTheFourStagesInOrderAndTheREADMEShowsTheDemo(t *testing.T) {
	t.Parallel()
	p := authwatch(t, "demo", "--once", "--after", "2s")
	require.Zero(t, p.code(), p.stderr.String())
	out := p.stdout.String()
	require.NotContains(t, out, "\x1b", "no colours in a pipe")
	last := 0
	for _, stage := range []string{
		`(?m)^  401 +\+0 ms`,
		`(?m)^  event +\+\d+ ms +auth\.unauthorized\.weather`,
		`(?m)^  status +\+\d+ ms +running → unauthenticated`,
		`(?m)^  alert +\+\d+ ms +webhook: `,
		`(?m)^  event +\+\d+ ms +auth\.loaded\.weather`,
		`(?m)^  event +\+\d+ ms +auth\.authorized\.weather`,
		`(?m)^  status +\+\d+ ms +unverified → running`,
		`(?m)^  alert +\+\d+ ms +webhook: `,
	} {
		found := regexp.MustCompile(stage).FindStringIndex(out[last:])
		require.NotNil(t, found, "%s is missing after\n%s\nin\n%s", stage, out[:last], out)
		last += found[1]
	}

	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, shown, found := strings.Cut(string(readme), "<!-- demo -->\n```\n")
	require.True(t, found)
	shown, _, _ = strings.Cut(shown, "```")
	require.Contains(t, plain(out), plain(shown))
}

// plain is the demo's output without what differs from run to run.
func plain(text string) string {
	text = regexp.MustCompile(`(?m)^  call +\d\d:.*\n`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`\+\d+ ms`).ReplaceAllString(text, "+N ms")
	text = regexp.MustCompile(`token [0-9a-f]{12}`).ReplaceAllString(text, "token F")
	text = regexp.MustCompile(`\S*/authwatch-demo-\d+/`).ReplaceAllString(text, "DIR/")
	return strings.Join(strings.Fields(text), " ")
}
