package verdict

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnAnswerThatSaysWhenToComeAgainIsRecognised(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		later       bool
	}{
		{"Retry-After", "5", true},
		{"Retry-After", "Fri, 31 Dec 2027 23:59:59 GMT", true},
		{"RateLimit-Remaining", "0", true},
		{"RateLimit-Remaining", " 0 ", true},
		{"X-RateLimit-Remaining", "0", true},
		{"X-Rate-Limit-Remaining", "0, 0;w=60", true},
		{"RateLimit", `"default";r=0;t=30`, true},
		{"RateLimit", `limit=100, remaining=0, reset=5`, true},
		{"RateLimit", `"burst";r=9, "daily";r=0`, true},
		{"RateLimit-Remaining", "1", false},
		{"RateLimit-Remaining", "10", false},
		{"RateLimit", `"default";r=10;t=0`, false},
		{"RateLimit", `limit=0, remaining=1`, false},
		{"RateLimit", `garbage`, false},
		{"X-Other", "0", false},
	} {
		h := http.Header{}
		h.Set(c.name, c.value)
		require.Equal(t, c.later, Later(h), "%s: %s", c.name, c.value)
	}
}
