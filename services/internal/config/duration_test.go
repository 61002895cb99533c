package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
)

func TestDurationsAreReadWithDays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "4h": 4 * time.Hour, "7d": 168 * time.Hour, "1d12h30m": 36*time.Hour + 30*time.Minute,
		"0": 0, "0d": 0, "1.5h": 90 * time.Minute, "-1s": -time.Second,
	} {
		var d config.Duration
		require.NoError(t, d.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, d.Std(), text)

		var again config.Duration
		require.NoError(t, again.UnmarshalText([]byte(d.String())), d.String())
		require.Equal(t, d, again)
	}
	for _, text := range []string{"", "30", "d", "1.5d", "-1d", "1d-1h", "106752d", "106751d24h", "1w", "1d1d", "one hour"} {
		var d config.Duration
		require.ErrorContains(t, d.UnmarshalText([]byte(text)), "is not a duration", text)
		require.Zero(t, d, text)
	}
}
