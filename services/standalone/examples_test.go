package standalone_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/standalone"
)

// secrets are the files that the examples name below /run/secrets.
var secrets = map[string]string{
	"github": "token", "clients": "token", "search": "secret", "nats": "password", "smtp": "password", "ntfy": "token",
	"ops":   "https://hooks.example.com/authwatch",
	"slack": "https://hooks.slack.com/services/T0/B0/x",
	"pd":    "0123456789abcdef0123456789abcdef",
	"otlp":  "Authorization: Bearer token",
	"sig":   "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
}

// localize writes text into a folder that also holds the secrets it names.
func localize(t *testing.T, text string) (file string) {
	t.Helper()
	dir := t.TempDir()
	for name, secret := range secrets {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(secret+"\n"), 0o600))
	}
	file = filepath.Join(dir, "authwatch.yaml")
	text = strings.ReplaceAll(text, "/run/secrets", dir)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestEveryExampleLoads(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../deploy/examples/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 4)
	for _, example := range files {
		t.Run(filepath.Base(example), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(example)
			require.NoError(t, err)
			cfg, err := standalone.Load(localize(t, string(text)))
			require.NoError(t, err)
			require.NotEmpty(t, cfg.Proxy.Workloads)
			require.NotEmpty(t, cfg.Notifier.Routes)
		})
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestEveryConfigurationInTheDocumentsLoads(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "docs/operations.md", "docs/cli.md", "docs/tracing.md"} {
		text, err := os.ReadFile(filepath.Join("../..", name))
		require.NoError(t, err)
		for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
			_, err := standalone.Load(localize(t, block[1]))
			require.NoError(t, err, "%s:\n%s", name, block[1])
		}
	}
}
