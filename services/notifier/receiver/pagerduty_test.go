package receiver

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

func pager(p *provider) Config {
	return Config{PagerDuty: &PagerDuty{RoutingKey: "R0UT1NGKEY", URL: p.URL}}
}

type pagerEvent struct {
	RoutingKey  string `json:"routing_key"`
	EventAction string `json:"event_action"`
	DedupKey    string `json:"dedup_key"`
	Payload     *struct {
		Summary, Source, Severity, Timestamp string
		CustomDetails                        map[string]any `json:"custom_details"`
	}
}

func pagerEvents(t *testing.T, p *provider) []pagerEvent {
	t.Helper()
	var all []pagerEvent
	for _, r := range p.requests() {
		var e pagerEvent
		require.NoError(t, json.Unmarshal(r.body, &e))
		all = append(all, e)
	}
	return all
}

func TestPagerDutyTriggersAndResolvesByTheSameKey(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(202, `{"status":"success"}`))
	first, reminder, last := opened(t), sample(t, events.KindReminder, true), resolved(t)
	reminder.Thread, last.Thread = first.ID, first.ID
	for _, m := range []Message{first, reminder, last} {
		require.Equal(t, plan.Delivered, send(t, pager(p), m).Outcome)
	}
	got := pagerEvents(t, p)
	require.Len(t, got, 3)
	for i, action := range []string{"trigger", "trigger", "resolve"} {
		require.Equal(t, action, got[i].EventAction)
		require.Equal(t, "authwatch-"+first.ID, got[i].DedupKey)
		require.Equal(t, "R0UT1NGKEY", got[i].RoutingKey)
	}
	require.Equal(t, "github is unauthenticated (invalid_token)", got[0].Payload.Summary)
	require.Equal(t, "github", got[0].Payload.Source)
	require.Equal(t, "critical", got[0].Payload.Severity)
	require.Equal(t, "2026-11-24T12:00:00Z", got[0].Payload.Timestamp)
	require.Len(t, got[0].Payload.CustomDetails["workloads"], 1)
	require.Nil(t, got[2].Payload)
}

func TestAPagerDutyIncidentStaysOpenWhileAWorkloadOfItsGroupIsBad(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(202, ""))
	m := resolved(t)
	m.Left = 1
	send(t, pager(p), m)
	require.Equal(t, "trigger", pagerEvents(t, p)[0].EventAction)
}

func TestWhatCameAndWentUnseenIsOnPagerDutysRecordAndClosed(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(202, ""))
	send(t, pager(p), sample(t, events.KindDigest, false))
	got := pagerEvents(t, p)
	require.Len(t, got, 2)
	require.Equal(t, "trigger", got[0].EventAction)
	require.Equal(t, "info", got[0].Payload.Severity)
	require.Equal(t, "resolve", got[1].EventAction)
	require.Equal(t, got[0].DedupKey, got[1].DedupKey)
}

func TestPagerDutysReasonIsGivenWithoutTheKey(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(400, `{"status":"invalid event","message":"Event object is invalid","errors":["'routing_key' R0UT1NGKEY is unknown"]}`))
	a := send(t, pager(p), opened(t))
	require.Equal(t, plan.Rejected, a.Outcome)
	require.Equal(t, "400 Bad Request: Event object is invalid; 'routing_key' <redacted> is unknown", a.Error)
}

func TestPagerDutyIsAskedAgainWhenItIsBusy(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(429, `{"message":"rate limit"}`))
	require.Equal(t, plan.Retry, send(t, pager(p), opened(t)).Outcome)
}

func TestAPagerDutyEventStaysUnderItsLimit(t *testing.T) {
	t.Parallel()
	p := newProvider(t, status(202, ""))
	m := opened(t)
	for range 1000 {
		m.Workloads = append(m.Workloads, m.Workloads[0])
	}
	send(t, pager(p), m)
	require.Less(t, len(p.only(t).body), 512<<10)
}
