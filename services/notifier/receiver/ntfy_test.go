package receiver

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/notifier/plan"
)

func TestNtfyGetsATitleAPriorityAndTheConversationsID(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(200, `{"id":"hwQ2YpKdmg","event":"message"}`))
	c := Config{Ntfy: &Ntfy{URL: secret(p.URL), Topic: "mcp", Token: "tk_s3cret"}}
	require.Equal(t, plan.Delivered, send(t, c, opened(t)).Outcome)
	require.Equal(t, plan.Delivered, send(t, c, resolved(t)).Outcome)
	got := p.requests()
	require.Equal(t, "/", got[0].path)
	require.Equal(t, "Bearer tk_s3cret", got[0].header.Get("Authorization"))
	require.Equal(t, opened(t).Thread, got[0].header.Get("X-Sequence-Id"))
	body := decode(t, got[0].body)
	require.Equal(t, "mcp", body["topic"])
	require.Equal(t, "github is unauthenticated (invalid_token)", body["title"])
	require.InDelta(t, 4, body["priority"], 0)
	require.InDelta(t, 3, decode(t, got[1].body)["priority"], 0)
}

func TestAnNtfyMessageStaysUnderItsLimitInBytes(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(200, `{"id":"x"}`))
	m := opened(t)
	m.Workloads[0].Message = strings.Repeat("ü", 5000)
	send(t, Config{Ntfy: &Ntfy{URL: secret(p.URL), Topic: "mcp"}}, m)
	text := decode(t, p.only(t).body)["message"].(string)
	require.LessOrEqual(t, len(text), 4096)
	require.Greater(t, len(text), 4000)
}

func TestALoginPageInPlaceOfNtfyIsAFailure(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(200, "<html>please log in</html>"))
	a := send(t, Config{Ntfy: &Ntfy{URL: secret(p.URL), Topic: "mcp"}}, opened(t))
	require.Equal(t, plan.Refused, a.Outcome)
	require.Contains(t, a.Error, "not from an ntfy server")
}

func TestNtfysReasonIsGiven(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(429, `{"code":42901,"http":429,"error":"limit reached: too many requests"}`))
	a := send(t, Config{Ntfy: &Ntfy{URL: secret(p.URL), Topic: "mcp"}}, opened(t))
	require.Equal(t, plan.Retry, a.Outcome)
	require.Contains(t, a.Error, "limit reached")
	require.Contains(t, (&Config{Ntfy: &Ntfy{URL: "http://x", Topic: "a/b"}}).Problems()[0].Text, "topic's name")
}
