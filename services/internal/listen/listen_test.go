package listen_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/listen"
)

func TestAListenerThatCannotOpenSaysWhatToChange(t *testing.T) {
	t.Parallel()
	taken, err := listen.Open(t.Context(), "listen", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })

	var file struct {
		Proxy struct {
			Listen string `yaml:"listen"`
		} `yaml:"proxy"`
	}
	d, err := config.Parse("authwatch.yaml", []byte("proxy:\n  listen: x\n"), &file)
	require.NoError(t, err)
	for address, want := range map[string]string{
		taken.Addr().String(): "in use: another process listens there; stop it or choose another port",
		"192.0.2.1:0":         "this machine has no such address; choose 127.0.0.1 or one of its own",
		"127.0.0.1":           `missing port in address; write it as "127.0.0.1:8080"`,
		"127.0.0.1:http?":     `unknown port; write it as "127.0.0.1:8080"`,
	} {
		_, err := listen.Open(t.Context(), "listen", address)
		err = d.Locate("proxy", fmt.Errorf("wrapped: %w", err))
		require.EqualError(t, err, "authwatch.yaml:2: proxy.listen: cannot listen on "+address+": "+want)
	}
}
