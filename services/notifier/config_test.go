package notifier

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

const example = `
notifier:
  admin_listen: 127.0.0.1:9082
  receivers:
    - {name: ops, webhook: {url: "https://example.com/hook", format: binary}, timeout: 10s, send_resolved: true, fallback: mail}
    - {name: chat, slack: {webhook_url: "https://hooks.slack.com/services/T/B/x"}}
    - {name: bot, slack: {bot_token: xoxb-1, channel: "#ops"}}
    - {name: pager, pagerduty: {routing_key: abc}}
    - {name: am, alertmanager: {url: "http://alertmanager:9093"}}
    - {name: mail, email: {smarthost: "smtp:587", from: a@example.com, to: [ops@example.com], username: a, password: s3cret}}
    - {name: phone, ntfy: {url: "https://ntfy.example.com", topic: mcp, token: t}}
    - {name: team, teams: {url: "https://example.com/workflows/1"}}
    - {name: game, discord: {webhook_url: "https://discord.com/api/webhooks/1/x"}, title: "{{ .Title }}", rate: {per: 1s, burst: 2}}
    - {name: console, log: {}}
  routes:
    - {match: {workload: "prod-*", status: [unauthenticated, missing], reason: [invalid_token], labels: {team: a}}, receivers: [ops, chat, bot, pager, am, phone, team, game], group_by: [credential], group_wait: 1s, repeat_interval: 4h, continue: true}
    - {receivers: [console]}
  self_test: {interval: 24h, receivers: [phone]}
  heartbeat: {url: "https://hc.example.com/x", interval: 1m}
`

func parse(t *testing.T, text string) (Config, *config.Document) {
	t.Helper()
	var file struct {
		Notifier Config `yaml:"notifier"`
	}
	d, err := config.Parse("authwatch.yaml", []byte(text), &file)
	require.NoError(t, err)
	return file.Notifier, d
}

func TestTheExampleIsUnderstoodAndHasNoProblem(t *testing.T) {
	t.Parallel()
	c, _ := parse(t, example)
	require.Empty(t, c.Validate())
	require.Len(t, c.Receivers, 10)
	require.Equal(t, []string{"ops", "chat"}, c.Routes[0].Receivers[:2])
	require.Equal(t, time.Second, c.Routes[0].groupWait())
	require.Equal(t, "slack", c.Receivers[2].Kind())
	rec := events.Record{
		Workload: "prod-x", Status: events.StatusUnauthenticated, Reason: "invalid_token",
		Labels: map[string]string{"team": "a"}, Incident: "i", Credential: &events.Credential{Fingerprint: "f00d"},
	}
	told := c.recipients(rec)
	require.Len(t, told, 9)
	require.Equal(t, "0/f00d", told[0].Policy.Group)
	require.Empty(t, told[8].Policy.Group)
	rec.Workload = "test-x"
	require.Len(t, c.recipients(rec), 1)
}

func TestWhatIsWrongWithAConfigurationIsSaidWithItsLine(t *testing.T) {
	t.Parallel()
	head := "notifier:\n  receivers:\n"
	for name, test := range map[string]struct{ text, want string }{
		"unknown receiver": {
			head + "    - {name: console, log: {}}\n  routes:\n    - {receivers: [consle]}\n",
			`authwatch.yaml:5: notifier.routes[0].receivers[0]: no receiver is named "consle"; did you mean "console"?`,
		},
		"duplicate name": {
			head + "    - {name: a, log: {}}\n    - {name: a, log: {}}\n  routes:\n    - {receivers: [a]}\n",
			`authwatch.yaml:4: notifier.receivers[1].name: "a" is the name of receivers[0] already`,
		},
		"bad name": {
			head + "    - {name: Ops_1, log: {}}\n  routes:\n    - {receivers: [Ops_1]}\n",
			`authwatch.yaml:3: notifier.receivers[0].name: "Ops_1": a receiver's name has`,
		},
		"unused receiver": {
			head + "    - {name: a, log: {}}\n    - {name: b, log: {}}\n  routes:\n    - {receivers: [a]}\n",
			`authwatch.yaml:4: notifier.receivers[1].name: "b" is in no route and is not a fallback`,
		},
		"no routes": {
			head + "    - {name: a, log: {}}\n",
			`there are receivers and no routes; add {receivers: [a]}`,
		},
		"unreachable route": {
			head + "    - {name: a, log: {}}\n  routes:\n    - {receivers: [a]}\n    - {receivers: [a]}\n",
			`authwatch.yaml:6: notifier.routes[1]: is never reached: routes[0] matches all that it does`,
		},
		"a narrower route behind a wider one": {
			head + "    - {name: a, log: {}}\n  routes:\n    - {match: {workload: \"prod-*\", status: [missing, unauthenticated], labels: {team: \"a*\"}}, receivers: [a]}\n" +
				"    - {match: {workload: prod-x, status: [missing], labels: {team: abc, tier: one}}, receivers: [a]}\n    - {receivers: [a]}\n",
			`authwatch.yaml:6: notifier.routes[1]: is never reached: routes[0] matches all that it does`,
		},
		"no catch-all": {
			head + "    - {name: a, log: {}}\n  routes:\n    - {match: {workload: x}, receivers: [a]}\n",
			`authwatch.yaml:5: notifier.routes[0].match: the last route must match everything`,
		},
		"good status": {
			head + "    - {name: a, log: {}}\n  routes:\n    - {match: {status: [unauthenticatd]}, receivers: [a]}\n    - {receivers: [a]}\n",
			`"unauthenticatd" opens no incident; did you mean "unauthenticated"?`,
		},
		"bad template": {
			head + "    - {name: a, log: {}, text: \"{{ .Nope }}\"}\n  routes:\n    - {receivers: [a]}\n",
			`authwatch.yaml:3: notifier.receivers[0].text: fails for an alert of kind opened`,
		},
		"fallback loop": {
			head + "    - {name: a, log: {}, fallback: b}\n    - {name: b, log: {}, fallback: a}\n  routes:\n    - {receivers: [a]}\n",
			`authwatch.yaml:3: notifier.receivers[0].fallback: the fallbacks go round in a circle: a -> b -> a`,
		},
		"unknown fallback": {
			head + "    - {name: a, log: {}, fallback: mial}\n    - {name: mail, log: {}}\n  routes:\n    - {receivers: [a, mail]}\n",
			`authwatch.yaml:3: notifier.receivers[0].fallback: no receiver is named "mial"; did you mean "mail"?`,
		},
		"unknown grouping": {
			head + "    - {name: a, log: {}}\n  routes:\n    - {receivers: [a], group_by: [credentials]}\n",
			`authwatch.yaml:5: notifier.routes[0].group_by[0]: cannot group by "credentials"; write "credential", or the name of a label`,
		},
		"two kinds": {
			head + "    - {name: a, log: {}, ntfy: {url: \"http://x\", topic: t}}\n  routes:\n    - {receivers: [a]}\n",
			`authwatch.yaml:3: notifier.receivers[0]: is both log and ntfy; make two receivers of it`,
		},
		"bad pattern": {
			head + "    - {name: a, log: {}}\n  routes:\n    - {match: {workload: \"[x\"}, receivers: [a]}\n    - {receivers: [a]}\n",
			`authwatch.yaml:5: notifier.routes[0].match.workload: "[x" is not a valid pattern`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, d := parse(t, test.text)
			err := d.Check("notifier", c.Validate())
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestARouteThatSomethingIsLeftForIsReached(t *testing.T) {
	t.Parallel()
	for _, routes := range []string{
		`{match: {workload: "prod-*"}, receivers: [a]}, {match: {workload: "*-x"}, receivers: [a]}`,
		`{match: {workload: prod-x}, receivers: [a]}, {match: {workload: "prod-*"}, receivers: [a]}`,
		`{match: {workload: "prod-*"}, receivers: [a], continue: true}, {match: {workload: prod-x}, receivers: [a]}`,
		`{match: {status: [missing]}, receivers: [a]}, {match: {status: [missing, unauthenticated]}, receivers: [a]}`,
		`{match: {status: [missing]}, receivers: [a]}, {match: {workload: prod-x}, receivers: [a]}`,
		`{match: {labels: {team: a}}, receivers: [a]}, {match: {workload: prod-x}, receivers: [a]}`,
		`{match: {labels: {team: "*"}}, receivers: [a]}, {match: {labels: {tier: one}}, receivers: [a]}`,
		`{match: {workload: prod-x}, receivers: [a]}, {match: {labels: {team: a}}, receivers: [a]}`,
	} {
		c, _ := parse(t, "notifier: {receivers: [{name: a, log: {}}], routes: ["+routes+", {receivers: [a]}]}")
		require.Empty(t, c.Validate(), routes)
	}
}

func TestAnEmptySectionIsFine(t *testing.T) {
	t.Parallel()
	require.Empty(t, (&Config{}).Validate())
}

func TestAHashFollowsTheConfigurationAndGivesNothingAway(t *testing.T) {
	t.Parallel()
	a := receiver.Config{Name: "a", Webhook: &receiver.Webhook{URL: "https://x/s3cret"}}
	b := receiver.Config{Name: "a", Webhook: &receiver.Webhook{URL: "https://x/other"}}
	again := a
	require.Equal(t, a.Hash(), again.Hash())
	require.NotEqual(t, a.Hash(), b.Hash())
	require.NotContains(t, a.Hash(), "s3cret")
}
