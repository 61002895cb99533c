package receiver

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
	require.True(t, open[0].EndsAt.After(noon.Add(24*time.Hour)))
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
