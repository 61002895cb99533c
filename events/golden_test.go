package events_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/santhosh-tekuri/jsonschema/v6"
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

// A record has every field that it may have.
func record() events.Record {
	return events.Record{
		Workload: "github", Labels: map[string]string{"team": "a"},
		Status: events.StatusUnauthenticated, Previous: events.StatusRunning,
		Since: at("2026-11-24T10:00:00.005Z"), Reason: "invalid_token",
		Message:  "github: the upstream rejected the token in /run/secrets/github (invalid_token: The access token expired). Put a new token there; it is picked up at once, no restart.",
		Incident: "01KAV3HSJ5A3TXP3S0SQ8M8Y1C", Incidents: 2,
		LastIncident: &events.Incident{ID: "01K8ZDTFG0WPX0E4JSH3KGSXYZ", Opened: at("2026-11-01T10:00:00Z"), Closed: at("2026-11-01T10:05:00Z"), Reason: "bare_401"},
		Credential:   credential, Upstream: "https://api.example.com/mcp",
		Evidence:  &events.Evidence{Request: request, Response: rejected, Rejections: 3, FirstSeen: ptr(at("2026-11-24T09:59:58Z"))},
		Forbidden: &events.Forbidden{At: at("2026-11-23T12:00:00Z"), Scopes: []string{"admin:org"}, Request: request, Response: &events.Response{Status: 403, Challenge: &events.Challenge{Scheme: "Bearer", Error: "insufficient_scope", Scope: "admin:org"}}},
		Cause:     &events.Cause{Type: events.TypeUnauthorized, ID: "019ab63c-e640-7d1f-8a58-0b9d1c5b6f10", Time: at("2026-11-24T10:00:00Z")},
		Observed:  &events.Position{Sequence: 42, Stream: at("2026-11-01T00:00:00Z")},
		Observers: []events.Observer{{
			Source: "urn:authwatch:proxy:edge-1", Type: events.TypeUnauthorized, ID: "019ab63c-e640-7d1f-8a58-0b9d1c5b6f10",
			Time: at("2026-11-24T10:00:00Z"), SkewMS: 4, Fingerprint: "3f9a1c0b7d22", LoadedAt: ptr(at("2026-11-20T08:00:00Z")), Rejections: 3,
		}},
	}
}

// later are samples of fields that came after the first golden files, by file.
func later() map[string]any {
	accepted := &events.Acceptance{Request: &events.Request{Method: "POST", Path: "/mcp", MCPMethod: "tools/list"}, At: at("2026-11-24T09:59:59Z")}
	opened := record()
	opened.IncidentOpened = ptr(at("2026-11-24T10:00:00.005Z"))
	elsewhere := opened
	elsewhere.AcceptedElsewhere, elsewhere.Reason = accepted, events.ReasonRefusedClass
	unauthorized := samples()[events.TypeUnauthorized].(events.Observation)
	unauthorized.AcceptedElsewhere = accepted
	dated := unauthorized
	dated.AcceptedAt = ptr(at("2026-11-24T09:59:59Z"))
	acknowledged := opened
	acknowledged.Acknowledged = &events.Acknowledgement{By: "ada", At: at("2026-11-24T10:02:00Z"), Until: ptr(at("2026-11-24T14:00:00Z")), Note: "waiting for a new token"}
	retired := recovered()
	retired.Status, retired.Previous, retired.Message = events.StatusRetired, events.StatusUnauthenticated, "github: was removed from the configuration."
	retired.LastIncident.Retired = true
	retired.Cause = &events.Cause{Type: events.TypeRetired, ID: "019ab640-b310-7a2e-9c41-77aa0be1c8d2", Time: at("2026-11-24T10:04:09.9Z")}
	return map[string]any{"auth.unauthorized.3": dated, "status.changed.4": acknowledged, "status.changed.5": retired, "status.changed.2": opened, "status.changed.3": elsewhere, "auth.unauthorized.2": unauthorized}
}

// recovered is the record after the incident: a resolution carries it.
func recovered() events.Record {
	r := record()
	r.Status, r.Previous, r.Since = events.StatusRunning, events.StatusUnverified, at("2026-11-24T10:04:10Z")
	r.Message = "github: the upstream accepts the token in /run/secrets/github."
	r.LastIncident = &events.Incident{ID: r.Incident, Opened: at("2026-11-24T10:00:00.005Z"), Closed: r.Since, Reason: r.Reason}
	r.Reason, r.Incident, r.Evidence, r.Forbidden, r.Observers = "", "", nil, nil, nil
	r.Credential = &events.Credential{Fingerprint: "a07d5512e9c4", Source: "file /run/secrets/github", LoadedAt: ptr(at("2026-11-24T10:04:00Z"))}
	r.Cause = &events.Cause{Type: events.TypeAuthorized, ID: "019ab640-b310-7a2e-9c41-77aa0be1c8d2", Time: at("2026-11-24T10:04:09.9Z")}
	return r
}

func alert(kind, title, text string, workloads ...events.Record) events.Alert {
	return events.Alert{Kind: kind, Receiver: "ops", Title: title, Text: text, Workloads: workloads}
}

// samples are one event's data for each type. A test below holds that none is
// left out.
func samples() map[string]any {
	unauthorized, authorized, forbidden, missing := observation(), observation(), observation(), observation()
	unauthorized.Request, unauthorized.Response = request, rejected
	unauthorized.Rejections, unauthorized.FirstSeen = 3, ptr(at("2026-11-24T09:59:58Z"))
	authorized.Request, authorized.Response = request, &events.Response{Status: 200}
	forbidden.Request, forbidden.Scopes = request, []string{"repo", "admin:org"}
	forbidden.Response = &events.Response{Status: 403, Challenge: &events.Challenge{Scheme: "Bearer", Error: "insufficient_scope", Scope: "repo admin:org"}}
	missing.Credential = &events.Credential{Source: "file /run/secrets/github"}
	missing.Problem, missing.Detail = events.ProblemMalformed, `it holds a literal "${TOKEN}"`
	retired := events.Observation{Workload: "github", By: "ada", Note: "moved to the new server"}
	acknowledged := events.Observation{
		Workload: "github", By: "ada", Note: "waiting for a new token",
		Incident: record().Incident, Until: ptr(at("2026-11-24T14:00:00Z")),
	}
	silence := events.Silence{
		ID: "019ab63c-e640-7d1f-8a58-0b9d1c5b6f10", From: at("2026-11-24T10:00:00Z"), Until: at("2026-11-24T12:00:00Z"), By: "ada", Comment: "tokens are rotated",
		Match: events.Match{Workload: "staging-*", Status: []string{"missing"}, Reason: []string{"not_found"}, Labels: map[string]string{"team": "a*"}},
	}
	expiring := recovered()
	expiring.Status, expiring.Reason, expiring.Incident = events.StatusExpiring, events.ReasonExpiresSoon, "2f6c8a1e-7c1f-8d3a-9b52-0c1d2e3f4a5b"
	expiring.Message = "github: the token in /run/secrets/github expires at 2026-11-30 12:00 UTC."
	updated := record()
	updated.Evidence.Rejections = 250
	told := events.Receipt{Receiver: "ops", DeliveryID: "msg_01KAV3HSJ5A3TXP3S0SQ8M8Y1C", Kind: events.KindOpened, Incident: record().Incident, Workload: "github", Attempts: 1, DurationMS: 12, StatusCode: 204}
	failed := told
	failed.StatusCode, failed.Error = 404, "404 Not Found: no_service"
	return map[string]any{
		events.TypeUnauthorized: unauthorized, events.TypeAuthorized: authorized, events.TypeForbidden: forbidden,
		events.TypeLoaded: observation(), events.TypeMissing: missing, events.TypeExpiring: observation(),
		events.TypeRetired: retired, events.TypeAcknowledged: acknowledged,
		events.TypeAlertSilenced: silence, events.TypeAlertUnsilenced: silence,
		events.TypeAlertExpiring: alert(events.KindExpiring, "github expires in 1 day", expiring.Message, expiring),
		events.TypeStatusChanged: record(), events.TypeStatusUpdated: updated,
		events.TypeAlertDelivered: told, events.TypeAlertFailed: failed,
		events.TypeAlertOpened:   alert(events.KindOpened, "github: unauthenticated", record().Message, record()),
		events.TypeAlertResolved: alert(events.KindResolved, "github: running again", recovered().Message, recovered()),
		events.TypeAlertReminder: alert(events.KindReminder, "github: still unauthenticated", record().Message, record()),
		events.TypeAlertDigest:   alert(events.KindDigest, "github: 6 changes in 10 minutes", recovered().Message, recovered()),
		events.TypeAlertTest:     alert(events.KindTest, "Test", "This is a test.", []events.Record{}...),
	}
}

// sample is the event of a type whose wire bytes are in testdata/golden.
func sample(t testing.TB, typ string) event.Event {
	t.Helper()
	data, ok := samples()[typ]
	require.True(t, ok, "no sample of %s", typ)
	service, _, _ := strings.Cut(typ, ".")
	source := map[string]string{"auth": "urn:authwatch:proxy:edge-1", "status": "urn:authwatch:status", "alert": "urn:authwatch:notifier:edge-1"}[service]
	e, err := events.New(typ, source, "github", at("2026-11-24T10:00:00.001Z"), data)
	require.NoError(t, err)
	e.SetID("019ab63c-e641-70bf-aa76-38d070ceff9d")
	events.SetTraceParent(&e, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	return e
}

func golden(typ string) string { return filepath.Join("testdata", "golden", typ+".v1.json") }

func TestTheWireBytesOfEachTypeAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	for _, typ := range events.Types() {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			e := sample(t, typ)
			m, err := events.Marshal(e)
			require.NoError(t, err)
			want, err := os.ReadFile(golden(typ))
			if os.IsNotExist(err) && *update {
				require.NoError(t, os.WriteFile(golden(typ), m.Data, 0o600))
				return
			}
			require.NoError(t, err)
			require.Equal(t, string(want), string(m.Data))
			require.Equal(t, typ+".github", m.Subject)
			require.Equal(t, map[string][]string{
				"Content-Type": {"application/cloudevents+json"},
				"Nats-Msg-Id":  {e.Source() + "#019ab63c-e641-70bf-aa76-38d070ceff9d"},
			}, m.Header)
		})
	}
}

// Fields are added, and the golden files without them stay. A file with a number
// has fields of its day.
func TestFieldsThatWereAddedHaveGoldenBytesToo(t *testing.T) {
	t.Parallel()
	for name, want := range later() {
		e := sample(t, name[:len(name)-2])
		data, err := json.Marshal(want)
		require.NoError(t, err)
		e.DataEncoded = data
		e.SetExtension("traceparent", nil)
		m, err := events.Marshal(e)
		require.NoError(t, err)
		if _, err := os.Stat(golden(name)); os.IsNotExist(err) && *update {
			require.NoError(t, os.WriteFile(golden(name), m.Data, 0o600))
		}
		body, err := os.ReadFile(golden(name))
		require.NoError(t, err)
		require.Equal(t, string(body), string(m.Data))
		read, err := events.Unmarshal(nil, body)
		require.NoError(t, err)
		var got any
		if _, ok := want.(events.Record); ok {
			got, err = events.ParseStatus(read)
		} else {
			got, err = events.ParseObservation(read)
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
		schema, err := compiler(t).Compile(read.DataSchema())
		require.NoError(t, err)
		decoded, err := jsonschema.UnmarshalJSON(bytes.NewReader(read.Data()))
		require.NoError(t, err)
		require.NoError(t, schema.Validate(decoded))
	}
}

func TestTheGoldenBytesDecodeToTheValuesTheyWereMadeOf(t *testing.T) {
	t.Parallel()
	for typ, want := range samples() {
		body, err := os.ReadFile(golden(typ))
		require.NoError(t, err)
		e, err := events.Unmarshal(map[string][]string{"Content-Type": {"application/cloudevents+json"}}, body)
		require.NoError(t, err, typ)
		require.Equal(t, sample(t, typ).Context, e.Context, "every attribute")
		require.Equal(t, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", events.TraceParent(e))
		var got any
		switch want.(type) {
		case events.Observation:
			got, err = events.ParseObservation(e)
		case events.Record:
			got, err = events.ParseStatus(e)
		case events.Receipt:
			got, err = events.ParseReceipt(e)
		case events.Alert:
			got, err = events.ParseAlert(e)
		case events.Silence:
			got, err = events.ParseSilence(e)
		}
		require.NoError(t, err, typ)
		require.Equal(t, want, got, typ)
	}
}

// The bytes are in somebody's stream: a file here is never changed and never
// deleted. A new type adds a line.
func TestNoGoldenFileWasChangedOrDeleted(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile(filepath.Join("testdata", "golden", "SHA256SUMS"))
	require.NoError(t, err)
	listed := map[string]bool{}
	for line := range strings.Lines(string(list)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		body, err := os.ReadFile(filepath.Join("testdata", "golden", name))
		require.NoError(t, err)
		require.Equal(t, sum, fmt.Sprintf("%x", sha256.Sum256(body)), name)
		listed[name] = true
	}
	files, err := filepath.Glob(golden("*"))
	require.NoError(t, err)
	require.Len(t, files, len(listed))
	for _, typ := range events.Types() {
		require.True(t, listed[typ+".v1.json"], "%s is not in SHA256SUMS", typ)
	}
}

func TestTheSDKReadsTheGoldenBytes(t *testing.T) {
	t.Parallel()
	for typ := range samples() {
		body, err := os.ReadFile(golden(typ))
		require.NoError(t, err)
		var e event.Event
		require.NoError(t, json.Unmarshal(body, &e))
		require.NoError(t, e.Validate())
		want := sample(t, typ)
		require.Equal(t, want.Context, e.Context)
		require.JSONEq(t, string(want.Data()), string(e.Data()))
	}
}
