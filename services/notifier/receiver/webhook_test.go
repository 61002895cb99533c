package receiver

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

func TestAWebhookGetsAStructuredCloudEventWhoseIDIsTheDelivery(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(204, ""))
	m := opened(t)
	m.Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	a := send(t, Config{Webhook: &Webhook{URL: secret(p.URL + "/in")}}, m)
	require.Equal(t, plan.Result{Outcome: plan.Delivered, Status: 204}, a)

	got := p.only(t)
	require.Equal(t, "POST", got.method)
	require.Equal(t, "application/cloudevents+json", got.header.Get("Content-Type"))
	require.Equal(t, m.ID, got.header.Get("webhook-id"))
	require.Empty(t, got.header.Get("webhook-signature"))
	var e event.Event
	require.NoError(t, json.Unmarshal(got.body, &e))
	require.NoError(t, e.Validate())
	require.Equal(t, m.ID, e.ID())
	require.Equal(t, m.Trace, got.header.Get("traceparent"))
	require.Equal(t, m.Trace, events.TraceParent(e))
	require.Equal(t, "alert.opened", e.Type())
	require.Equal(t, "github", e.Subject())
	require.Equal(t, "urn:authwatch:notifier:test", e.Source())
	require.True(t, noon.Equal(e.Time()))
	alert, err := events.ParseAlert(e)
	require.NoError(t, err)
	require.Equal(t, "ops", alert.Receiver)
	require.Equal(t, "github is unauthenticated (invalid_token)", alert.Title)
	require.Contains(t, alert.Text, "Put a new token there")
	require.Equal(t, m.Workloads, alert.Workloads)
}

func TestAnAlertAboutSeveralWorkloadsHasNoSubject(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(200, ""))
	send(t, Config{Webhook: &Webhook{URL: secret(p.URL)}}, samples(noon)[1])
	var e event.Event
	require.NoError(t, json.Unmarshal(p.only(t).body, &e))
	require.Empty(t, e.Subject())
	alert, err := events.ParseAlert(e)
	require.NoError(t, err)
	require.Len(t, alert.Workloads, 2)
}

func TestABinaryWebhookCarriesTheAttributesInHeaders(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(200, ""))
	send(t, Config{Webhook: &Webhook{URL: secret(p.URL), Format: "binary"}}, opened(t))
	got := p.only(t)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, "1.0", got.header.Get("ce-specversion"))
	require.Equal(t, "alert.opened", got.header.Get("ce-type"))
	require.Equal(t, "github", got.header.Get("ce-subject"))
	require.Equal(t, "2026-11-24T12:00:00Z", got.header.Get("ce-time"))
	var alert events.Alert
	require.NoError(t, json.Unmarshal(got.body, &alert))
	require.Equal(t, events.KindOpened, alert.Kind)
}

func TestHeaderValuesArePercentEncoded(t *testing.T) {
	t.Parallel()
	require.Equal(t, `Euro%20%E2%82%AC%20%F0%9F%98%80%25%22`, escape(`Euro € 😀%"`))
}

func TestTheSignatureVerifiesWithThePublicLibraryDuringARotation(t *testing.T) {
	t.Parallel()
	fresh, old := newKey(), newKey()
	file := filepath.Join(t.TempDir(), "sig")
	require.NoError(t, os.WriteFile(file, []byte("whsec_"+fresh+"\n"+old+"\n"), 0o600))
	p := newProvider(t, status(200, ""))
	c := Config{Name: "ops", Webhook: &Webhook{URL: secret(p.URL), SigningSecretFile: file}}
	r, err := New(c, Options{Source: "urn:x", Now: time.Now}) // the library compares clocks
	require.NoError(t, err)
	require.Equal(t, plan.Delivered, r.Send(t.Context(), opened(t)).Outcome)

	got := p.only(t)
	for _, key := range []string{fresh, old} {
		hook, err := webhooks.NewWebhook(key)
		require.NoError(t, err)
		require.NoError(t, hook.Verify(got.body, got.header))
		require.Error(t, hook.Verify(append(got.body, ' '), got.header))
	}
	stranger, err := webhooks.NewWebhook(newKey())
	require.NoError(t, err)
	require.Error(t, stranger.Verify(got.body, got.header))
}

func newKey() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

func TestSecretsAreReadAgainAtEveryAttempt(t *testing.T) {
	t.Parallel()
	first, second := newProvider(t, status(200, "")), newProvider(t, status(200, ""))
	file := filepath.Join(t.TempDir(), "url")
	require.NoError(t, os.WriteFile(file, []byte(first.URL+"\n"), 0o600))
	r := build(t, Config{Webhook: &Webhook{URLFile: file}})
	require.Equal(t, plan.Delivered, r.Send(t.Context(), opened(t)).Outcome)
	require.NoError(t, os.WriteFile(file, []byte(second.URL), 0o600))
	require.Equal(t, plan.Delivered, r.Send(t.Context(), opened(t)).Outcome)
	require.NoError(t, os.Remove(file))
	a := r.Send(t.Context(), opened(t))
	require.Equal(t, plan.Refused, a.Outcome)
	require.Contains(t, a.Error, "no such file")
	require.Len(t, first.requests(), 1)
	require.Len(t, second.requests(), 1)
}

func TestABadWebhookIsAProblem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		webhook Webhook
		path    string
		text    string
	}{
		"no url":       {Webhook{}, "webhook", "needs url or url_file"},
		"two urls":     {Webhook{URL: "http://x", URLFile: "/x"}, "webhook.url", "keep one"},
		"no scheme":    {Webhook{URL: "example.com/x"}, "webhook.url", "http://"},
		"no file":      {Webhook{URLFile: "/nowhere/url"}, "webhook.url_file", "no such file"},
		"no base64":    {Webhook{URL: "http://x", SigningSecret: "hunter2!"}, "webhook.signing_secret", "base64"},
		"short secret": {Webhook{URL: "http://x", SigningSecret: "aGVsbG8="}, "webhook.signing_secret", "5 bytes"},
		"odd format":   {Webhook{URL: "http://x", Format: "xml"}, "webhook.format", "structured"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Config{Name: "ops", Webhook: &test.webhook}
			ps := c.Problems()
			require.Len(t, ps, 1)
			require.Equal(t, test.path, ps[0].Path)
			require.Contains(t, ps[0].Text, test.text)
		})
	}
}
