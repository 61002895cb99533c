package receiver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/redact/redacttest"
)

const (
	hookSecret  = "B0Gxx7Kq/9rTzLmNpQwEsYdFv2HjUaXcB4"
	tokenSecret = "xoxb-4711-0815-AbCdEfGhIjKlMnOpQrStUvWx"
)

// echoes answers each request with what format makes of text.
func echoes(t *testing.T, status int, text *string) *provider {
	t.Helper()
	return newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, *text)
	})
}

// Where an error is cut, a secret may be cut as well, and is then still one.
func TestASecretIsTakenOutOfAnErrorBeforeItIsCut(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 400, 403, 503} {
		var text string
		p := echoes(t, status, &text)
		for pad := 120; pad < 240; pad++ {
			text = strings.Repeat("x", pad) + " " + p.URL + "/hooks/" + hookSecret + " " + tokenSecret
			for _, c := range []Config{
				{Webhook: &Webhook{URL: secret(p.URL + "/hooks/" + hookSecret), BearerToken: tokenSecret}},
				{Slack: &Slack{WebhookURL: secret(p.URL + "/hooks/" + hookSecret)}},
			} {
				a := send(t, c, opened(t))
				redacttest.RequireNone(t, a.Error, hookSecret, fmt.Sprint(status, pad))
				if c.Webhook != nil {
					redacttest.RequireNone(t, a.Error, tokenSecret, fmt.Sprint(status, pad))
				}
			}
		}
	}
}

func TestASecretInAnAnswerIsFoundHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for _, e := range redacttest.Encodings() {
		text := "no such hook: " + e.Encode(hookSecret) + ", no such token: " + e.Encode(tokenSecret)
		p := echoes(t, http.StatusForbidden, &text)
		a := send(t, Config{Webhook: &Webhook{URL: secret(p.URL + "/hooks/" + hookSecret + "?key=" + tokenSecret)}}, opened(t))
		require.Contains(t, a.Error, "403 Forbidden: no such ")
		redacttest.RequireNone(t, a.Error, hookSecret, e.Name)
		redacttest.RequireNone(t, a.Error, tokenSecret, e.Name)
	}
}

// Every provider explains a refusal in its own place; whatever stands there, no
// run of a secret leaves.
func TestNoReceiverLetsASecretOutOfAnAnswerThatEchoesIt(t *testing.T) {
	t.Parallel()
	quoted := func(format string) func(string) string {
		return func(text string) string {
			encoded, _ := json.Marshal(text)
			return fmt.Sprintf(format, encoded)
		}
	}
	plain := func(text string) string { return text }
	for name, test := range map[string]struct {
		answer func(text string) string
		config func(url string) Config
	}{
		"webhook": {plain, func(url string) Config {
			return Config{Webhook: &Webhook{URL: secret(url), BearerToken: tokenSecret}}
		}},
		"slack webhook": {quoted(`{"ok":false,"error":%s}`), func(url string) Config {
			return Config{Slack: &Slack{WebhookURL: secret(url), Connection: Connection{Headers: map[string]config.Secret{"X-Key": tokenSecret}}}}
		}},
		"slack bot": {quoted(`{"ok":false,"error":%s}`), func(url string) Config {
			return Config{Slack: &Slack{BotToken: tokenSecret, Channel: "C1", APIURL: url}}
		}},
		"discord": {quoted(`{"message":%s}`), func(url string) Config {
			return Config{Discord: &Discord{WebhookURL: secret(url + "?thread_id=" + tokenSecret)}}
		}},
		"teams": {func(text string) string { return "error: " + text }, func(url string) Config {
			return Config{Teams: &Teams{URL: secret(url + "?sig=" + tokenSecret)}}
		}},
		"ntfy": {quoted(`{"error":%s}`), func(url string) Config {
			return Config{Ntfy: &Ntfy{URL: secret(url), Topic: "t", Token: tokenSecret}}
		}},
		"pagerduty": {quoted(`{"message":"invalid","errors":[%s]}`), func(url string) Config {
			return Config{PagerDuty: &PagerDuty{RoutingKey: tokenSecret, URL: url}}
		}},
		"alertmanager": {quoted(`%s`), func(url string) Config {
			return Config{Alertmanager: &Alertmanager{URLs: []config.Secret{secret(url)}, Username: "u", Password: tokenSecret}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, status := range []int{200, 400, 403, 503} {
				var body string
				p := echoes(t, status, &body)
				c := test.config(p.URL + "/hooks/" + hookSecret)
				hidden := []string{tokenSecret}
				if c.PagerDuty == nil && (c.Slack == nil || c.Slack.APIURL == "") { // their addresses are no secret
					hidden = append(hidden, hookSecret)
				}
				for pad := 150; pad < 240; pad += 7 {
					body = test.answer(strings.Repeat("x", pad) + " " + tokenSecret + " at /hooks/" + hookSecret)
					a := send(t, c, opened(t))
					for _, s := range hidden {
						redacttest.RequireNone(t, a.Error, s, fmt.Sprint(status, pad))
					}
				}
			}
		})
	}
}
