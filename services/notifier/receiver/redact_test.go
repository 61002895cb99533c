package receiver

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

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
