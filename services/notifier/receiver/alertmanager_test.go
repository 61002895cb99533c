package receiver

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

func TestAlertmanagerGetsOneAlertAWorkloadWithStableLabels(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(200, ""))
	c := Config{Alertmanager: &Alertmanager{
		URL: secret(p.URL + "/"), Username: "u", Password: "pw",
		Labels: map[string]string{"severity": "critical"},
	}}
	require.Equal(t, plan.Delivered, send(t, c, opened(t)).Outcome)
	require.Equal(t, plan.Delivered, send(t, c, resolved(t)).Outcome)
	got := p.requests()
	require.Equal(t, "/api/v2/alerts", got[0].path)
	require.Equal(t, "Basic dTpwdw==", got[0].header.Get("Authorization"))
	var open, end []promAlert
	require.NoError(t, json.Unmarshal(got[0].body, &open))
	require.NoError(t, json.Unmarshal(got[1].body, &end))
	require.Equal(t, map[string]string{
		"alertname": "WorkloadCredential", "workload": "github", "team": "platform", "severity": "critical",
	}, open[0].Labels)
	require.Equal(t, open[0].Labels, end[0].Labels)
	require.True(t, open[0].StartsAt.Equal(noon))
	require.Equal(t, noon.Add(5*time.Minute), open[0].EndsAt.UTC(), "it is repeated before")
	require.True(t, end[0].StartsAt.Equal(noon))
	require.True(t, end[0].EndsAt.Equal(noon.Add(5*time.Minute)))
}

func TestAnAlertBeginsWithItsIncidentAlsoAfterItsStatusChanged(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(200, ""))
	m := opened(t)
	at := noon
	m.Workloads[0].IncidentOpened, m.Workloads[0].Since = &at, noon.Add(time.Hour)
	require.Equal(t, plan.Delivered, send(t, Config{Alertmanager: &Alertmanager{URL: secret(p.URL)}}, m).Outcome)
	var open []promAlert
	require.NoError(t, json.Unmarshal(p.requests()[0].body, &open))
	require.True(t, open[0].StartsAt.Equal(noon))
}

func TestAlertmanagersReasonIsGiven(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(400, `{"code":602,"message":"at least one label pair required"}`))
	a := send(t, Config{Alertmanager: &Alertmanager{URL: secret(p.URL)}}, opened(t))
	require.Equal(t, plan.Rejected, a.Outcome)
	require.Contains(t, a.Error, "at least one label pair required")
}

func TestEachAlertOfAGroupHasWordsOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ title, text, summary, description string }{
		"built in": {"", "", "w2 is unauthenticated (invalid_token)", "w2: the upstream rejected"},
		"template": {"{{ .Workload.Workload }} down", "call {{ .Workload.Workload }}", "w2 down", "call w2"},
	} {
		p := newProvider(t, status(200, ""))
		c := Config{Title: test.title, Text: test.text, Alertmanager: &Alertmanager{
			URL: secret(p.URL), Annotations: map[string]string{"runbook_url": "https://wiki.example/tokens", "dashboard": "d1"},
		}}
		require.Equal(t, plan.Delivered, send(t, c, group(t, 3)).Outcome)
		var alerts []promAlert
		require.NoError(t, json.Unmarshal(p.only(t).body, &alerts))
		require.Len(t, alerts, 3)
		got := alerts[1].Annotations
		require.Equal(t, test.summary, got["summary"], name)
		require.Contains(t, got["description"], test.description)
		require.NotContains(t, got["description"], "w3")
		require.Equal(t, "critical", got["severity"])
		require.Equal(t, "https://wiki.example/tokens", got["runbook_url"])
		require.Equal(t, "d1", got["dashboard"])
	}
	p := newProvider(t, status(200, ""))
	send(t, Config{Alertmanager: &Alertmanager{URL: secret(p.URL)}}, opened(t))
	var alerts []promAlert
	require.NoError(t, json.Unmarshal(p.only(t).body, &alerts))
	require.Equal(t, runbooks+"authwatchworkloadunauthenticated", alerts[0].Annotations["runbook_url"])
}

func TestEveryServerOfAClusterGetsTheAlertsAndOneIsEnough(t *testing.T) {
	t.Parallel()
	up, also, down := newProvider(t, status(200, "")), newProvider(t, status(200, "")), newProvider(t, status(503, "starting"))
	c := Config{Alertmanager: &Alertmanager{URLs: []config.Secret{secret(down.URL), secret(up.URL), secret(also.URL)}}}
	a := send(t, c, opened(t))
	require.Equal(t, plan.Delivered, a.Outcome)
	require.Equal(t, "2 of 3 servers took it; the others: 503 Service Unavailable", a.Error)
	for _, p := range []*provider{up, also, down} {
		require.Equal(t, up.only(t).body, p.only(t).body)
	}
	a = send(t, Config{Alertmanager: &Alertmanager{URL: secret(down.URL), URLs: []config.Secret{secret(down.URL)}}}, opened(t))
	require.Equal(t, plan.Retry, a.Outcome)
	require.Len(t, down.requests(), 3)
	bad := Config{Alertmanager: &Alertmanager{URLs: []config.Secret{"am:9093"}}}
	require.Equal(t, "alertmanager.urls[0]", bad.Problems()[0].Path)
	none := Config{Alertmanager: &Alertmanager{}}
	require.NotEmpty(t, none.Problems())
}
