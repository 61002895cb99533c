package receiver

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

func TestASlackWebhookGetsBlocksWhoseTextIsNoMarkup(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(200, "ok"))
	m := opened(t)
	m.Workloads[0].Message = "<!channel> & <https://evil|click>"
	a := send(t, Config{Slack: &Slack{WebhookURL: secret(p.URL + "/services/T0/B0/xyz")}}, m)
	require.Equal(t, plan.Result{Outcome: plan.Delivered, Status: 200}, a)
	body := string(p.only(t).body)
	require.NotContains(t, body, "<!channel>")
	require.Contains(t, decode(t, p.only(t).body)["text"], ":red_circle: github is unauthenticated")
	require.Contains(t, blockText(t, p.only(t).body, 1), "&lt;!channel&gt; &amp; &lt;https://evil|click&gt;")
}

func TestSlackTextStaysWithinItsLimits(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(200, "ok"))
	m := opened(t)
	m.Workloads[0].Message = strings.Repeat("ü", 10_000)
	send(t, Config{Slack: &Slack{WebhookURL: secret(p.URL)}}, m)
	require.LessOrEqual(t, len([]rune(blockText(t, p.only(t).body, 1))), 3000)
}

func TestASlackWebhookThatSaysSomethingElseThanOKHasNotTakenTheMessage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code    int
		body    string
		outcome plan.Outcome
	}{
		{200, "invalid_payload", plan.Rejected},
		{400, "invalid_blocks", plan.Rejected},
		{404, "no_service", plan.Refused},
		{403, "action_prohibited", plan.Refused},
		{410, "channel_is_archived", plan.Gone},
		{500, "rollup_error", plan.Retry},
	} {
		p := newProvider(t, status(test.code, test.body))
		a := send(t, Config{Slack: &Slack{WebhookURL: secret(p.URL)}}, opened(t))
		require.Equal(t, test.outcome, a.Outcome, test.body)
		require.Contains(t, a.Error, test.body)
	}
}

func TestAServerInThePlaceOfSlackMayAnswerInItsOwnWords(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]plan.Outcome{
		"ok": plan.Delivered, "": plan.Delivered, "OK\n": plan.Delivered, `{"ok":true}`: plan.Delivered, `{"success":true}`: plan.Delivered,
		`{"id":"x","status":"posted"}`: plan.Delivered, "<html>thanks</html>": plan.Delivered, "true": plan.Delivered, "null": plan.Delivered,
		"no_service": plan.Refused, "invalid_blocks": plan.Rejected, "rollup_error": plan.Retry,
		`{"ok":false,"error":"channel_not_found"}`: plan.Refused, `{"ok":false,"error":"ratelimited"}`: plan.Retry, `{"ok":false}`: plan.Refused,
	} {
		p := newProvider(t, status(200, body))
		a := send(t, Config{Slack: &Slack{WebhookURL: secret(p.URL)}}, opened(t))
		require.Equal(t, want, a.Outcome, body)
		require.Equal(t, want == plan.Delivered, a.Error == "", body)
	}
	p := newProvider(t, status(204, ""))
	require.Equal(t, plan.Delivered, send(t, Config{Slack: &Slack{WebhookURL: secret(p.URL)}}, opened(t)).Outcome)
}

func TestASlackBotPostsAndLaterUpdatesTheFirstMessage(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ok":true,"channel":"C0123","ts":"1503435956.000247"}`)
	})
	c := Config{Slack: &Slack{BotToken: "xoxb-s3cret", Channel: "#ops", APIURL: p.URL + "/api"}}
	a := send(t, c, opened(t))
	require.Equal(t, plan.Delivered, a.Outcome)
	require.Equal(t, "C0123 1503435956.000247", a.Ref)

	m := resolved(t)
	m.Ref = a.Ref
	require.Equal(t, a.Ref, send(t, c, m).Ref)
	reminder := sample(t, events.KindReminder, true)
	reminder.Ref = a.Ref
	send(t, c, reminder)

	got := p.requests()
	require.Len(t, got, 4)
	require.Equal(t, "/api/chat.postMessage", got[0].path)
	require.Equal(t, "Bearer xoxb-s3cret", got[0].header.Get("Authorization"))
	require.Equal(t, "#ops", decode(t, got[0].body)["channel"])
	require.Equal(t, "/api/chat.update", got[1].path)
	require.Equal(t, "1503435956.000247", decode(t, got[1].body)["ts"])
	require.Equal(t, "C0123", decode(t, got[1].body)["channel"])
	require.Contains(t, decode(t, got[1].body)["text"], "github recovered")
	require.Equal(t, "/api/chat.postMessage", got[2].path)
	require.Equal(t, "1503435956.000247", decode(t, got[2].body)["thread_ts"])
	require.Equal(t, "/api/chat.postMessage", got[3].path, "a reminder updates nothing")
}

func TestSlacks200WithoutOKIsAFailure(t *testing.T) {
	t.Parallel()
	for code, outcome := range map[string]plan.Outcome{
		"invalid_auth": plan.Refused, "channel_not_found": plan.Refused, "is_archived": plan.Refused,
		"ratelimited": plan.Retry, "internal_error": plan.Retry, "msg_too_long": plan.Rejected,
	} {
		p := newProvider(t, status(200, `{"ok":false,"error":"`+code+`"}`))
		a := send(t, Config{Slack: &Slack{BotToken: "xoxb-1", Channel: "C1", APIURL: p.URL}}, opened(t))
		require.Equal(t, outcome, a.Outcome, code)
		require.Equal(t, "Slack answered: "+code, a.Error)
		require.Empty(t, a.Ref)
	}
}

func TestAMessageThatWasDeletedIsSaidAnew(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "update") {
			_, _ = io.WriteString(w, `{"ok":false,"error":"message_not_found"}`)
			return
		}
		_, _ = io.WriteString(w, `{"ok":true,"channel":"C1","ts":"2"}`)
	})
	m := resolved(t)
	m.Ref = "C1 1"
	a := send(t, Config{Slack: &Slack{BotToken: "xoxb-1", Channel: "C1", APIURL: p.URL}}, m)
	require.Equal(t, plan.Delivered, a.Outcome)
	require.Len(t, p.requests(), 2)
}

func TestSlackNeedsAWebhookOrABot(t *testing.T) {
	t.Parallel()
	for text, s := range map[string]*Slack{
		"needs webhook_url_file": {},
		"keep one":               {WebhookURL: "http://x", BotToken: "x"},
		"is needed with a bot":   {BotToken: "x"},
	} {
		ps := (&Config{Slack: s}).Problems()
		require.Len(t, ps, 1)
		require.Contains(t, ps[0].Text, text)
	}
}

func decode(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal(body, &v))
	return v
}

func blockText(t *testing.T, body []byte, i int) string {
	t.Helper()
	var v struct {
		Blocks []struct{ Text struct{ Text string } }
	}
	require.NoError(t, json.Unmarshal(body, &v))
	return v.Blocks[i].Text.Text
}
