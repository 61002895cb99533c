package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

// New golden files are written with -update. An existing one is never rewritten:
// its bytes are in somebody's stream.
var update = flag.Bool("update", false, "write the golden files that do not exist yet")

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

func ptr[T any](v T) *T { return &v }

var (
	credential = &events.Credential{
		Fingerprint: "3f9a1c0b7d22", Source: "file /run/secrets/github",
		LoadedAt: ptr(at("2026-11-20T08:00:00Z")), ExpiresAt: ptr(at("2026-12-20T08:00:00Z")),
	}
	request  = &events.Request{Method: "POST", Path: "/mcp", MCPMethod: "tools/call", MCPName: "search"}
	rejected = &events.Response{Status: 401, Challenge: &events.Challenge{
		Scheme: "Bearer", Error: "invalid_token", ErrorDescription: "The access token expired",
		Realm: "api", ResourceMetadata: "https://api.example.com/.well-known/oauth-protected-resource",
	}}
)

func observation() events.Observation {
	return events.Observation{
		Workload: "github", Labels: map[string]string{"team": "a"},
		Upstream: "https://api.example.com/mcp", Credential: credential,
	}
}

func record() events.Record {
	return events.Record{
		Workload: "github", Status: events.StatusUnauthenticated, Previous: events.StatusRunning,
		Since: at("2026-11-24T10:00:00.005Z"), Reason: "invalid_token",
		Message:  "github: the upstream rejected the token in /run/secrets/github (invalid_token: The access token expired). Put a new token there; it is picked up at once, no restart.",
		Incident: "01JDEXAMPLE0000000000000AA", Incidents: 2,
		LastIncident: &events.Incident{ID: "01JDEXAMPLE0000000000000A9", Opened: at("2026-11-01T10:00:00Z"), Closed: at("2026-11-01T10:05:00Z"), Reason: "bare_401"},
		Credential:   credential, Upstream: "https://api.example.com/mcp",
		Evidence: &events.Evidence{Request: request, Response: rejected, Rejections: 3, FirstSeen: ptr(at("2026-11-24T10:00:00Z"))},
		Cause:    &events.Cause{Type: events.TypeUnauthorized, ID: "0193-a", Time: at("2026-11-24T10:00:00Z")},
		Observed: &events.Position{Sequence: 42, Stream: at("2026-11-01T00:00:00Z")},
	}
}

// samples has one event of each type, with every field that the type may have.
func samples(t *testing.T) map[string]event.Event {
	t.Helper()
	unauthorized, authorized, forbidden, missing := observation(), observation(), observation(), observation()
	unauthorized.Request, unauthorized.Response = request, rejected
	unauthorized.Rejections, unauthorized.FirstSeen = 3, ptr(at("2026-11-24T09:59:58Z"))
	authorized.Request, authorized.Response = request, &events.Response{Status: 200}
	forbidden.Request, forbidden.Scopes = request, []string{"repo", "admin:org"}
	forbidden.Response = &events.Response{Status: 403, Challenge: &events.Challenge{Scheme: "Bearer", Error: "insufficient_scope", Scope: "repo admin:org"}}
	missing.Credential = &events.Credential{Source: "file /run/secrets/github"}
	missing.Problem, missing.Detail = events.ProblemMalformed, `the file holds a literal "${TOKEN}"`
	receipt := events.Receipt{Receiver: "ops", DeliveryID: "d-1", Kind: events.KindOpened, Incident: "01JDEXAMPLE0000000000000AA", Workload: "github", Attempts: 1, DurationMS: 12, StatusCode: 204}
	failed := receipt
	failed.StatusCode, failed.Error = 404, "404 Not Found: no_service"
	data := map[string]any{
		events.TypeUnauthorized: unauthorized, events.TypeAuthorized: authorized, events.TypeForbidden: forbidden,
		events.TypeLoaded: observation(), events.TypeMissing: missing, events.TypeExpiring: observation(),
		events.TypeStatusChanged: record(), events.TypeStatusUpdated: record(),
		events.TypeAlertDelivered: receipt, events.TypeAlertFailed: failed,
	}
	for _, kind := range []string{events.KindOpened, events.KindResolved, events.KindReminder, events.KindDigest, events.KindTest} {
		data["alert."+kind] = events.Alert{Kind: kind, Receiver: "ops", Title: "github: unauthenticated", Text: record().Message, Workloads: []events.Record{record()}}
	}
	all := map[string]event.Event{}
	for typ, d := range data {
		e, err := events.New(typ, "urn:authwatch:proxy:edge-1", "github", at("2026-11-24T10:00:00.001Z"), d)
		require.NoError(t, err, typ)
		e.SetID("019a0f83-4af3-70bf-aa76-38d070ceff9d")
		events.SetTraceParent(&e, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		all[typ] = e
	}
	return all
}

func TestTheWireBytesOfEachTypeAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	all := samples(t)
	require.Len(t, all, len(events.Types()))
	for _, typ := range events.Types() {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, all, typ)
			m, err := events.Marshal(all[typ])
			require.NoError(t, err)
			file := filepath.Join("testdata", "golden", typ+".v1.json")
			want, err := os.ReadFile(file)
			if os.IsNotExist(err) && *update {
				require.NoError(t, os.WriteFile(file, append(m.Data, '\n'), 0o644))
				return
			}
			require.NoError(t, err)
			require.Equal(t, string(bytes.TrimSpace(want)), string(m.Data))
			require.Equal(t, typ+".github", m.Subject)
			require.Equal(t, []string{"application/cloudevents+json"}, m.Header["Content-Type"])
			require.Equal(t, []string{"urn:authwatch:proxy:edge-1#019a0f83-4af3-70bf-aa76-38d070ceff9d"}, m.Header["Nats-Msg-Id"])
		})
	}
}

func TestEveryGoldenFileDecodesToTheValueItWasMadeOf(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.json"))
	require.NoError(t, err)
	require.Len(t, files, len(events.Types()), "a golden file is never deleted and never without its type")
	all := samples(t)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		e, err := events.Unmarshal(map[string][]string{"Content-Type": {"application/cloudevents+json"}}, body)
		require.NoError(t, err, file)
		want := all[e.Type()]
		require.Equal(t, want.ID(), e.ID())
		require.True(t, want.Time().Equal(e.Time()))
		require.Equal(t, events.TraceParent(want), events.TraceParent(e))
		require.NotEmpty(t, events.TraceParent(e))
		require.JSONEq(t, string(want.Data()), string(e.Data()))
		switch {
		case e.Type() == events.TypeStatusChanged || e.Type() == events.TypeStatusUpdated:
			got, err := events.ParseStatus(e)
			require.NoError(t, err)
			require.Equal(t, record(), got)
		case e.Type() == events.TypeUnauthorized:
			got, err := events.ParseObservation(e)
			require.NoError(t, err)
			require.Equal(t, rejected, got.Response)
			require.Equal(t, int64(3), got.Rejections)
		case e.Type() == events.TypeAlertFailed:
			got, err := events.ParseReceipt(e)
			require.NoError(t, err)
			require.Equal(t, 404, got.StatusCode)
		case e.Type() == events.TypeAlertOpened:
			got, err := events.ParseAlert(e)
			require.NoError(t, err)
			require.Equal(t, []events.Record{record()}, got.Workloads)
		}
	}
}

func TestTheSDKReadsTheGoldenBytes(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join("testdata", "golden", "auth.unauthorized.v1.json"))
	require.NoError(t, err)
	var e event.Event
	require.NoError(t, json.Unmarshal(body, &e))
	require.NoError(t, e.Validate())
	require.Equal(t, "github", e.Subject())
	require.Equal(t, "urn:authwatch:auth.unauthorized:v1", e.DataSchema())
}
