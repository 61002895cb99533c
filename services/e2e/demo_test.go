package e2e_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheDemoShowsTheFourStagesInOrder(t *testing.T) {
	t.Parallel()
	p := call(t, "authwatch", "demo", "--once", "--after", "2s")
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
}
