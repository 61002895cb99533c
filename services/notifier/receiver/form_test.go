package receiver

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// hostile is what an upstream may say of a token.
var hostile = map[string]string{
	"angles":     strings.Repeat("<", 300),
	"ampersands": strings.Repeat("&", 300),
	"entities":   strings.Repeat("&lt;&amp;", 33),
	"quotes":     strings.Repeat(`"`, 300),
	"slashes":    strings.Repeat(`\`, 300),
	"markup":     strings.Repeat("*_~`|[](<>", 30),
	"link":       "[renew](https://evil.example/login) <https://evil.example|renew> https://evil.example",
	"mentions":   "@everyone @here <!channel> <@U123> <@&1> <#C1> :smile: <t:1:R> <at>x</at>",
	"lists":      "\n# big\n- one\n1. two\n> said\n+ three",
	"umlauts":    strings.Repeat("ü", 300),
	"emoji":      strings.Repeat("\U0001F525", 300),
	"joined":     strings.Repeat("\U0001F468\u200D\U0001F469", 100),
	"controls":   strings.Repeat("\u0001\u0085\u2028", 100),
	"reversed":   "\u202e" + strings.Repeat("nekot", 50),
	"invalid":    "\xff\xfe\xc3(" + strings.Repeat("\x80", 100),
	"blank":      " ",
}

// hostileMessages are messages about 1, 12 and 300 workloads, of one token and
// each of its own, whose upstreams all say the same.
func hostileMessages(t *testing.T, words string) []Message {
	t.Helper()
	var all []Message
	for _, n := range []int{1, 12, 300} {
		for _, alone := range []bool{false, true}[:min(n, 2)] {
			m := group(t, n)
			for i := range m.Workloads {
				r := &m.Workloads[i]
				r.Workload = fmt.Sprintf("w%d-%s", i, strings.Repeat("x", 55))
				r.Message = r.Workload + `: the upstream rejected the token in /run/secrets/github (invalid_token: "` + words + `"). Put a new token there.`
				r.Reason = words
				if alone {
					r.Credential = nil
				}
			}
			all = append(all, m)
		}
	}
	m := opened(t)
	m.Note = strings.Repeat(words, 50)
	return append(all, m)
}

// limits checks what a provider documents of its messages.
var limits = map[string]struct {
	config Config
	answer string
	check  func(t *testing.T, body []byte)
}{
	"slack": {Config{Slack: &Slack{}}, "ok", func(t *testing.T, body []byte) {
		t.Helper()
		var v struct {
			Text   string
			Blocks []struct {
				Text struct {
					Type, Text string
					Verbatim   bool
				}
			}
		}
		require.NoError(t, json.Unmarshal(body, &v))
		require.LessOrEqual(t, characters(v.Text), 4000)
		require.Contains(t, v.Text, "token")
		for _, b := range v.Blocks {
			require.Equal(t, "mrkdwn", b.Text.Type)
			require.True(t, b.Text.Verbatim)
			require.LessOrEqual(t, characters(b.Text.Text), 3000)
			require.NotEmpty(t, b.Text.Text)
			require.NotRegexp(t, `[<>]`, b.Text.Text)
			require.NotContains(t, regexp.MustCompile(`&(amp|lt|gt);`).ReplaceAllString(b.Text.Text, ""), "&", "half an entity")
		}
	}},
	"discord": {Config{Discord: &Discord{}}, `{"id":"1"}`, func(t *testing.T, body []byte) {
		t.Helper()
		var v struct {
			Embeds []struct{ Title, Description string }
		}
		require.NoError(t, json.Unmarshal(body, &v))
		require.LessOrEqual(t, characters(v.Embeds[0].Title), 256)
		require.LessOrEqual(t, characters(v.Embeds[0].Description), 4096)
		for _, text := range []string{v.Embeds[0].Title, v.Embeds[0].Description} {
			require.NotEmpty(t, text)
			plain := regexp.MustCompile(`\\.`).ReplaceAllString(text, "")
			require.NotRegexp(t, "[*_~`|<>\\[\\]#@:\\\\]", plain, "markup, or half an escape")
		}
	}},
	"teams": {Config{Teams: &Teams{}}, "", func(t *testing.T, body []byte) {
		t.Helper()
		require.LessOrEqual(t, len(body), 28<<10)
		var c card
		require.NoError(t, json.Unmarshal(body, &c))
		for _, b := range c.Attachments[0].Content.Body {
			require.NotEmpty(t, b.Text)
			plain := regexp.MustCompile(`\\.|&(amp|lt|gt);`).ReplaceAllString(b.Text, "")
			require.NotRegexp(t, "[*_~`|<>&\\[\\]#\\\\]", plain, "markup, or half an escape")
		}
	}},
	"ntfy": {Config{Ntfy: &Ntfy{Topic: "mcp"}}, `{"id":"1"}`, func(t *testing.T, body []byte) {
		t.Helper()
		require.LessOrEqual(t, len(body), 8192)
		v := decode(t, body)
		require.LessOrEqual(t, len(v["message"].(string)), 4096)
		require.LessOrEqual(t, len(v["title"].(string)), 250)
		require.NotContains(t, v, "markdown")
	}},
	"pagerduty": {Config{PagerDuty: &PagerDuty{RoutingKey: "k"}}, "", func(t *testing.T, body []byte) {
		t.Helper()
		require.LessOrEqual(t, len(body), 512<<10)
		summary := decode(t, body)["payload"].(map[string]any)["summary"].(string)
		require.LessOrEqual(t, characters(summary), 1024)
		require.NotEmpty(t, summary)
	}},
}

func characters(s string) int { return len(utf16.Encode([]rune(s))) }

func TestNothingThatAnUpstreamSaysMakesAMessageTooLongOrMarkup(t *testing.T) {
	t.Parallel()
	for provider, l := range limits {
		for name, words := range hostile {
			t.Run(provider+"/"+name, func(t *testing.T) {
				t.Parallel()
				for _, source := range []string{"", "{{.Text}}{{.Text}}"} {
					for i, m := range hostileMessages(t, words) {
						if source != "" && i > 2 {
							break
						}
						p := newProvider(t, status(200, l.answer))
						c := l.config.at(p.URL)
						c.Text = source
						a := send(t, c, m)
						require.Equal(t, plan.Delivered, a.Outcome, a.Error)
						body := p.only(t).body
						require.True(t, utf8.Valid(body))
						l.check(t, body)
					}
				}
			})
		}
	}
}

// at is c with the URL of a stand-in.
func (c Config) at(url string) Config {
	switch {
	case c.Slack != nil:
		c.Slack = &Slack{WebhookURL: secret(url)}
	case c.Discord != nil:
		c.Discord = &Discord{WebhookURL: secret(url)}
	case c.Teams != nil:
		c.Teams = &Teams{URL: secret(url)}
	case c.Ntfy != nil:
		c.Ntfy = &Ntfy{URL: secret(url), Topic: "mcp"}
	case c.PagerDuty != nil:
		c.PagerDuty = &PagerDuty{RoutingKey: "k", URL: url}
	}
	return c
}

func TestALongGroupKeepsItsExplanationAndCountsWhomItDoesNotName(t *testing.T) {
	t.Parallel()
	for provider, l := range limits {
		if provider == "pagerduty" { // takes them all
			continue
		}
		p := newProvider(t, status(200, l.answer))
		m := group(t, 300)
		for i := range m.Workloads {
			m.Workloads[i].Workload = fmt.Sprintf("w%d-%s", i, strings.Repeat("x", 55))
		}
		send(t, l.config.at(p.URL), m)
		body := string(p.only(t).body)
		require.Contains(t, body, "Put a new token there", provider)
		require.Regexp(t, `and \d+ more`, body, provider)
		require.NotContains(t, body, "…", provider)
	}
}

func TestATextIsCutBeforeItIsEscaped(t *testing.T) {
	t.Parallel()
	f := form{
		escape: slackEscape, text: 10,
		encode: func(_, text string) []byte { return []byte(text) },
	}
	require.Equal(t, "&lt;&lt;…", string(f.fit(Message{Kind: events.KindTest, Text: "<<<<<<", templated: true})))
}
