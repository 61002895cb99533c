package receiver

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/notifier/plan"
)

func TestDiscordIsWaitedForAndItsFirstMessageEditedLater(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":"4711"}`) })
	c := Config{Discord: &Discord{WebhookURL: secret(p.URL + "/api/webhooks/1/s3cret-token")}}
	a := send(t, c, opened(t))
	require.Equal(t, plan.Result{Outcome: plan.Delivered, Status: 200, Ref: "4711"}, a)
	m := resolved(t)
	m.Ref = a.Ref
	require.Equal(t, "4711", send(t, c, m).Ref)
	got := p.requests()
	require.Len(t, got, 3)
	require.Equal(t, "/api/v10/webhooks/1/s3cret-token?wait=true", got[0].path)
	require.Equal(t, "PATCH", got[1].method)
	require.Equal(t, "/api/v10/webhooks/1/s3cret-token/messages/4711", got[1].path)
	require.Equal(t, "POST", got[2].method)
	body := decode(t, got[0].body)
	require.Equal(t, map[string]any{"parse": []any{}}, body["allowed_mentions"])
	embed := body["embeds"].([]any)[0].(map[string]any)
	require.Equal(t, `github is unauthenticated (invalid\_token)`, embed["title"])
}

func TestDiscordsRetryAfterMayHaveAFraction(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "0.65")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"message":"You are being rate limited.","retry_after":0.65}`)
	})
	a := send(t, Config{Discord: &Discord{WebhookURL: secret(p.URL)}}, opened(t))
	require.Equal(t, 650*time.Millisecond, a.RetryAfter)
	require.Contains(t, a.Error, "You are being rate limited.")
}

func TestADeletedDiscordMessageIsSaidAnewAndADeletedWebhookIsRefused(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, `{"id":"2"}`)
	})
	m := resolved(t)
	m.Ref = "1"
	require.Equal(t, plan.Delivered, send(t, Config{Discord: &Discord{WebhookURL: secret(p.URL)}}, m).Outcome)

	gone := newProvider(t, status(404, `{"message":"Unknown Webhook","code":10015}`))
	a := send(t, Config{Discord: &Discord{WebhookURL: secret(gone.URL)}}, opened(t))
	require.Equal(t, plan.Refused, a.Outcome)
	require.Contains(t, a.Error, "Unknown Webhook")
}

func TestDiscordsWaitIsTheOneInItsAnswer(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1500")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"message":"You are being rate limited.","retry_after":1.5,"global":false}`)
	})
	for path, called := range map[string]string{
		"/api/webhooks/1/s3cret-token":     "/api/v10/webhooks/1/s3cret-token?wait=true",
		"/api/v9/webhooks/1/s3cret-token":  "/api/v9/webhooks/1/s3cret-token?wait=true",
		"/api/v10/webhooks/1/s3cret-token": "/api/v10/webhooks/1/s3cret-token?wait=true",
		"/bridge/discord":                  "/bridge/discord?wait=true",
	} {
		a := send(t, Config{Discord: &Discord{WebhookURL: secret(p.URL + path)}}, opened(t))
		require.Equal(t, plan.Retry, a.Outcome)
		require.Equal(t, 1500*time.Millisecond, a.RetryAfter)
		got := p.requests()
		require.Equal(t, called, got[len(got)-1].path)
	}
}
