package receiver

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/notifier/plan"
)

type card struct {
	Type        string
	Attachments []struct {
		ContentType string
		Content     struct {
			Type, Version string
			Body          []struct{ Type, Text, Color string }
		}
	}
}

func TestTeamsGetsAnAdaptiveCard(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(202, ""))
	m := opened(t)
	m.Workloads[0].Message = "a_b *c* [d](http://evil)"
	require.Equal(t, plan.Delivered, send(t, Config{Teams: &Teams{URL: secret(p.URL + "/workflows/x?sig=s3cret")}}, m).Outcome)
	var c card
	require.NoError(t, json.Unmarshal(p.only(t).body, &c))
	require.Equal(t, "message", c.Type)
	require.Equal(t, "application/vnd.microsoft.card.adaptive", c.Attachments[0].ContentType)
	require.Equal(t, "AdaptiveCard", c.Attachments[0].Content.Type)
	body := c.Attachments[0].Content.Body
	require.Equal(t, `github is unauthenticated (invalid\_token)`, body[0].Text)
	require.Equal(t, "Attention", body[0].Color)
	require.Equal(t, `a\_b \*c\* \[d\](http://evil)`, body[1].Text)
}

func TestATeamsCardStaysUnderItsLimit(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(202, ""))
	m := opened(t)
	m.Workloads[0].Message = strings.Repeat("_ü", 20_000)
	send(t, Config{Teams: &Teams{URL: secret(p.URL)}}, m)
	require.Less(t, len(p.only(t).body), 28<<10)
}

func TestAnOffice365ConnectorThatAnswers200WithAnErrorHasNotTakenTheMessage(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]plan.Outcome{
		"": plan.Delivered, "1": plan.Delivered, "true": plan.Delivered,
		"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId tcid=0": plan.Retry,
		"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 with ContextId tcid=0": plan.Rejected,
		"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 403 with ContextId tcid=0": plan.Refused,
		"Summary or Text is required.":                      plan.Rejected,
		"Bad payload received by generic incoming webhook.": plan.Rejected,
	} {
		p := newProvider(t, status(200, body))
		a := send(t, Config{Teams: &Teams{URL: secret(p.URL)}}, opened(t))
		require.Equal(t, want, a.Outcome, body)
	}
}
