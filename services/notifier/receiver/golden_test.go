package receiver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// scenes are messages as people get them: of one token with 1, 12 and 300
// workloads, of several tokens, of an end, and of words from an enemy.
func scenes(t *testing.T) map[string]Message {
	t.Helper()
	names := func(n int) Message {
		m := group(t, n)
		for i := range m.Workloads {
			r := &m.Workloads[i]
			name := fmt.Sprintf("team-%02d-server-%03d", i%7, i+1)
			r.Message = name + `: the upstream rejected the token in /run/secrets/github (invalid_token: "The access token expired"). ` +
				"Put a new token there; it is picked up at once, no restart."
			r.Workload = name
		}
		return m
	}
	several := names(3)
	other := *several.Workloads[0].Credential
	other.Fingerprint, other.Source = "77aa", "env JIRA_TOKEN"
	several.Workloads[2].Credential = &other
	several.Workloads[2].Message = "team-02-server-003: the upstream answered 401 to the token in the environment variable JIRA_TOKEN " +
		"and did not say why. Most often it has expired or was revoked. Set it to a new token and restart the proxy: a running process does not see the change."
	several.Workloads[2].Reason = events.ReasonBare401

	enemy := names(2)
	for i := range enemy.Workloads {
		r := &enemy.Workloads[i]
		r.Reason = "x_*<!channel>"
		r.Message = strings.Replace(r.Message, "The access token expired",
			"[renew](https://evil.example) <https://evil.example|renew> @everyone <at>ops</at> &lt;b&gt; *now* `x` :fire:", 1)
	}
	all := map[string]Message{
		"1": names(1), "12": names(12), "300": names(300), "several": several, "enemy": enemy, "resolved": resolved(t),
	}
	for name, m := range all {
		for i := range m.Workloads {
			if r := &m.Workloads[i]; r.Incident != "" {
				r.Incident = fmt.Sprintf("incident-%d", i)
			}
		}
		m.Link = "https://authwatch.example"
		all[name] = m
	}
	return all
}

func TestMessagesLookAsTheyDidWhenSomebodyReadThem(t *testing.T) {
	t.Parallel()
	providers := map[string]func(url string) Config{
		"slack": func(url string) Config {
			return Config{Slack: &Slack{WebhookURL: secret(url), Mention: []string{"U012AB3CD"}}}
		},
		"discord": func(url string) Config { return Config{Discord: &Discord{WebhookURL: secret(url)}} },
		"teams":   func(url string) Config { return Config{Teams: &Teams{URL: secret(url)}} },
		"ntfy":    func(url string) Config { return Config{Ntfy: &Ntfy{URL: secret(url), Topic: "mcp"}} },
		"pagerduty": func(url string) Config {
			return Config{PagerDuty: &PagerDuty{RoutingKey: "key", URL: url}}
		},
		"alertmanager": func(url string) Config { return Config{Alertmanager: &Alertmanager{URL: config.Secret(url)}} },
	}
	for name, m := range scenes(t) {
		for provider, at := range providers {
			if len(m.Workloads) > 12 && (provider == "pagerduty" || provider == "alertmanager") {
				continue // each with its record: nobody would read that
			}
			p := newProvider(t, status(200, `{"id":"1","ok":true}`))
			require.Equal(t, plan.Delivered, send(t, at(p.URL), m).Outcome)
			var body bytes.Buffer
			require.NoError(t, json.Indent(&body, p.only(t).body, "", "  "))
			golden(t, provider+"."+name+".json", body.String()+"\n")
		}
		require.NoError(t, Templates{}.Render(&m))
		golden(t, "text."+name+".txt", m.Title+"\n\n"+m.Text+"\n")
	}
}

// golden compares with a file, or writes it where UPDATE_GOLDEN is set. Whoever
// does that reads the difference.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, name)
}
