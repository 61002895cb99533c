package bus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPermissionsCoverSubjectsAsTheServerReadsThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, subject string
		want             bool
	}{
		{"auth.loaded.*", "auth.loaded.*", true},
		{"auth.*.*", "auth.loaded.*", true},
		{"auth.>", "auth.loaded.*", true},
		{">", "dead.status", true},
		{"auth.loaded.a", "auth.loaded.*", false},
		{"auth.loaded", "auth.loaded.*", false},
		{"auth.loaded.*.*", "auth.loaded.*", false},
		{"auth.loaded.*", "auth.loaded.>", false},
		{"status.>", "auth.loaded.*", false},
	} {
		require.Equal(t, c.want, covers(c.pattern, c.subject), "%s covers %s", c.pattern, c.subject)
	}
	require.True(t, permissions{}.permit("auth.loaded.*"), "no permissions: everything")
	require.False(t, permissions{Allow: []string{"auth.>"}, Deny: []string{"auth.loaded.*"}}.permit("auth.loaded.*"))
}
