package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

var (
	noon   = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	stream = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// history builds observations of one workload as a stream would hold them: each
// is a second and a sequence number after the one before.
type history struct {
	seq uint64
	now time.Time
}

func newHistory() *history { return &history{now: noon} }

func (h *history) add(typ, token string, change ...func(*Observation)) Observation {
	h.seq++
	h.now = h.now.Add(time.Second)
	o := Observation{
		Type: typ, ID: fmt.Sprintf("event-%d", h.seq), Source: "urn:authwatch:proxy:a", Time: h.now,
		Data:     events.Observation{Workload: "github", Upstream: "https://api.example.com/mcp"},
		Position: events.Position{Sequence: h.seq, Stream: stream},
		Stored:   h.now,
	}
	o.Data.Credential = &events.Credential{Source: "file /run/secrets/github"}
	if token != "" {
		o.Data.Credential.Fingerprint = token
		at := loadedAt(token)
		o.Data.Credential.LoadedAt = &at
	}
	for _, c := range change {
		c(&o)
	}
	return o
}

// loadedAt gives the tokens "t1", "t2" … load times an hour apart.
func loadedAt(token string) time.Time {
	return noon.Add(-24 * time.Hour).Add(time.Duration(token[1]-'0') * time.Hour)
}

func from(source string) func(*Observation) {
	return func(o *Observation) { o.Source = "urn:authwatch:proxy:" + source }
}

func challenge(c events.Challenge) func(*Observation) {
	return func(o *Observation) { o.Data.Response = &events.Response{Status: 401, Challenge: &c} }
}

func rejections(n int64) func(*Observation) {
	return func(o *Observation) { o.Data.Rejections = n }
}

var invalidToken = challenge(events.Challenge{Scheme: "Bearer", Error: "invalid_token", ErrorDescription: "The access token expired"})

func fold(r events.Record, observations ...Observation) events.Record {
	for _, o := range observations {
		r, _ = Apply(r, o)
	}
	return r
}

// reach returns a record with the given status whose credential, if any, is t1.
func reach(t *testing.T, h *history, status events.Status) events.Record {
	t.Helper()
	var r events.Record
	switch status {
	case events.StatusUnknown:
		return r
	case events.StatusUnverified:
		r = fold(r, h.add(events.TypeLoaded, "t1"))
	case events.StatusRunning:
		r = fold(r, h.add(events.TypeLoaded, "t1"), h.add(events.TypeAuthorized, "t1"))
	case events.StatusExpiring:
		r = fold(r, h.add(events.TypeLoaded, "t1"), h.add(events.TypeExpiring, "t1"))
	case events.StatusUnauthenticated:
		r = fold(r, h.add(events.TypeLoaded, "t1"), h.add(events.TypeUnauthorized, "t1", invalidToken))
	case events.StatusMissing:
		r = fold(r, h.add(events.TypeLoaded, "t1"), h.add(events.TypeMissing, ""))
	case events.StatusRetired:
		r = fold(r, h.add(events.TypeLoaded, "t1"), h.add(events.TypeRetired, ""))
	}
	require.Equal(t, status, r.Status)
	return r
}

func TestEveryCellOfTheTable(t *testing.T) {
	t.Parallel()
	const (
		unknown, unverified, running = events.StatusUnknown, events.StatusUnverified, events.StatusRunning
		expiring, unauthenticated    = events.StatusExpiring, events.StatusUnauthenticated
		missing, retired             = events.StatusMissing, events.StatusRetired
	)
	type column struct{ typ, token string }
	columns := []column{
		{events.TypeLoaded, "t2"},
		{events.TypeLoaded, "t1"},
		{events.TypeAuthorized, "t1"},
		{events.TypeUnauthorized, "t1"},
		{events.TypeMissing, ""},
		{events.TypeExpiring, "t1"},
		{events.TypeForbidden, "t1"},
		{events.TypeRetired, ""},
	}
	for from, want := range map[events.Status][]events.Status{
		unknown:         {unverified, unverified, running, unauthenticated, missing, expiring, unverified, retired},
		unverified:      {unverified, unverified, running, unauthenticated, missing, expiring, unverified, retired},
		running:         {unverified, running, running, unauthenticated, missing, expiring, running, retired},
		expiring:        {unverified, expiring, expiring, unauthenticated, missing, expiring, expiring, retired},
		unauthenticated: {unverified, unauthenticated, running, unauthenticated, missing, unauthenticated, unauthenticated, retired},
		missing:         {unverified, unverified, running, unauthenticated, missing, missing, missing, retired},
		retired:         {unverified, unverified, running, unauthenticated, missing, expiring, unverified, retired},
	} {
		for i, c := range columns {
			if from == unknown && want[i] == retired {
				continue // there is no record, and none is made for the end of nothing
			}
			t.Run(fmt.Sprintf("%s and %s of %q is %s", from, c.typ, c.token, want[i]), func(t *testing.T) {
				t.Parallel()
				h := newHistory()
				before := reach(t, h, from)
				o := h.add(c.typ, c.token)
				after, changed := Apply(before, o)
				require.True(t, changed)
				require.Equal(t, want[i], after.Status)
				require.Equal(t, o.Position, *after.Observed)
				if after.Status != from {
					require.Equal(t, from, after.Previous)
					require.Equal(t, o.Stored, after.Since)
					require.Equal(t, o.ID, after.Cause.ID)
				} else {
					require.Equal(t, before.Since, after.Since)
					require.Equal(t, before.Previous, after.Previous)
				}
				require.Equal(t, after.Status.Bad(), after.Status.Bad() && after.Incident != "")
				require.True(t, strings.HasPrefix(after.Message, "github: "), after.Message)
			})
		}
	}
}

func TestStatusOfALaterVersionCountsAsUnknown(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := reach(t, h, events.StatusRunning)
	r.Status = "quarantined"
	require.Equal(t, events.StatusUnauthenticated, fold(r, h.add(events.TypeUnauthorized, "t1")).Status)
	require.Equal(t, events.Status("quarantined"), fold(r, h.add(events.TypeForbidden, "t1")).Status)
}

func TestUnknownTypesAndEarlierPositionsChangeNothing(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := reach(t, h, events.StatusRunning)
	unchanged := func(o Observation) {
		t.Helper()
		after, changed := Apply(r, o)
		require.False(t, changed)
		require.Equal(t, r, after)
	}
	unchanged(h.add("auth.frobnicated", "t1"))
	same := h.add(events.TypeUnauthorized, "t1")
	same.Position = *r.Observed
	unchanged(same)
	older := h.add(events.TypeUnauthorized, "t1")
	older.Position.Sequence = 1
	unchanged(older)
	oldStream := h.add(events.TypeUnauthorized, "t1")
	oldStream.Position.Stream = stream.Add(-time.Hour)
	unchanged(oldStream)
}

func TestStreamCreatedAnewStartsOver(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := reach(t, h, events.StatusRunning)
	o := h.add(events.TypeUnauthorized, "t1")
	o.Position = events.Position{Sequence: 1, Stream: stream.Add(time.Hour)}
	r, changed := Apply(r, o)
	require.True(t, changed)
	require.Equal(t, events.StatusUnauthenticated, r.Status)
	require.Equal(t, o.Position, *r.Observed)
}

func TestRestartOfTheProxyNeverOverwritesUnauthenticated(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := reach(t, h, events.StatusUnauthenticated)
	again := h.add(events.TypeLoaded, "t1")
	at := h.now // the restarted process read it anew
	again.Data.Credential.LoadedAt = &at
	r = fold(r, again)
	require.Equal(t, events.StatusUnauthenticated, r.Status)
	require.Equal(t, "invalid_token", r.Reason)
	require.Equal(t, loadedAt("t1"), *r.Credential.LoadedAt)
}

func TestRepeatedRejectionsGrowTheCountAndNothingElse(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := fold(events.Record{}, h.add(events.TypeLoaded, "t1"), h.add(events.TypeUnauthorized, "t1", invalidToken, rejections(3)))
	first := r
	for _, step := range []struct {
		source string
		count  int64
		want   int64
	}{{"a", 5, 5}, {"a", 9, 9}, {"b", 2, 11}, {"b", 4, 13}, {"a", 1, 14}, {"a", 2, 15}} {
		r = fold(r, h.add(events.TypeUnauthorized, "t1", invalidToken, rejections(step.count), from(step.source)))
		require.Equal(t, step.want, r.Evidence.Rejections)
	}
	require.Equal(t, first.Since, r.Since)
	require.Equal(t, first.Incident, r.Incident)
	require.Equal(t, first.Cause, r.Cause)
	require.EqualValues(t, 1, r.Incidents)
}

func TestIncidentSpansFromTheFirstBadStatusToAnAcceptedAnswer(t *testing.T) {
	t.Parallel()
	h := newHistory()
	opening := h.add(events.TypeUnauthorized, "t1", invalidToken)
	r := fold(events.Record{}, opening)
	incident := r.Incident
	require.Regexp(t, `^[0-9a-f-]{36}$`, incident)
	require.Equal(t, opening.Stored, *r.IncidentOpened)

	for _, o := range []Observation{
		h.add(events.TypeMissing, ""),
		h.add(events.TypeLoaded, "t2"),
		h.add(events.TypeExpiring, "t2"),
		h.add(events.TypeUnauthorized, "t2"),
		h.add(events.TypeLoaded, "t3"),
	} {
		r = fold(r, o)
		require.Equal(t, incident, r.Incident, o.Type)
	}
	require.Equal(t, events.StatusUnverified, r.Status)
	require.Nil(t, r.LastIncident)

	closing := h.add(events.TypeAuthorized, "t3")
	r = fold(r, closing)
	require.Empty(t, r.Incident)
	require.Nil(t, r.IncidentOpened)
	require.Empty(t, r.Reason)
	require.Nil(t, r.Evidence)
	require.Equal(t, &events.Incident{ID: incident, Opened: opening.Stored, Closed: closing.Stored, Reason: "bare_401"}, r.LastIncident)
	require.EqualValues(t, 1, r.Incidents)

	r = fold(r, h.add(events.TypeMissing, ""))
	require.NotEqual(t, incident, r.Incident)
	require.EqualValues(t, 2, r.Incidents)
	require.Equal(t, incident, r.LastIncident.ID)
}

func TestReplicasGiveAnIncidentTheSameID(t *testing.T) {
	t.Parallel()
	o := newHistory().add(events.TypeUnauthorized, "t1")
	one, two := fold(events.Record{}, o), fold(events.Record{}, o)
	require.Equal(t, one.Incident, two.Incident)
	other := o
	other.Data.Workload = "gitlab"
	require.NotEqual(t, one.Incident, fold(events.Record{}, other).Incident)
}

func TestForbiddenIsKeptUntilTheCredentialChanges(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := reach(t, h, events.StatusRunning)
	o := h.add(events.TypeForbidden, "t1")
	o.Data.Scopes = []string{"repo"}
	r = fold(r, o)
	require.Equal(t, []string{"repo"}, r.Forbidden.Scopes)
	require.Equal(t, o.Stored, r.Forbidden.At)
	r = fold(r, h.add(events.TypeAuthorized, "t1"))
	require.NotNil(t, r.Forbidden)
	r = fold(r, h.add(events.TypeLoaded, "t2"))
	require.Nil(t, r.Forbidden)
}

func TestFirstWordAboutANewCredentialReplacesTheOldOne(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := reach(t, h, events.StatusUnauthenticated)
	since := r.Since
	r = fold(r, h.add(events.TypeUnauthorized, "t2", rejections(4)))
	require.Equal(t, events.StatusUnauthenticated, r.Status)
	require.Equal(t, "t2", r.Credential.Fingerprint)
	require.EqualValues(t, 4, r.Evidence.Rejections)
	require.Equal(t, since, r.Since)
	require.EqualValues(t, 1, r.Incidents)
}

func TestARefusalOfOneKindOfRequestIsAnUpdateOfTheSameIncident(t *testing.T) {
	t.Parallel()
	h := newHistory()
	seen := noon
	refused := func(accepted time.Time) func(*Observation) {
		return func(o *Observation) {
			o.Data.Request = &events.Request{Method: "POST", MCPMethod: "tools/call"}
			o.Data.Rejections, o.Data.FirstSeen = 1, &seen
			o.Data.AcceptedElsewhere = &events.Acceptance{Request: &events.Request{Method: "POST", MCPMethod: "tools/list"}, At: accepted}
		}
	}
	r, _ := Apply(events.Record{}, h.add(events.TypeAuthorized, "t1"))
	dead, _ := Apply(r, h.add(events.TypeUnauthorized, "t1", refused(seen.Add(-time.Second))))
	require.Equal(t, events.ReasonBare401, dead.Reason, "accepted before, it may be dead all the same")
	require.NotNil(t, dead.AcceptedElsewhere)

	there, changed := Apply(dead, h.add(events.TypeUnauthorized, "t1", refused(seen.Add(time.Second))))
	require.True(t, changed)
	require.Equal(t, dead.Status, there.Status)
	require.Equal(t, dead.Incident, there.Incident)
	require.Equal(t, int64(1), there.Incidents)
	require.Equal(t, events.ReasonRefusedClass, there.Reason)
	require.Contains(t, there.Message, "refuses tools/call")
	require.Contains(t, there.Message, "tools/list at 12:00:01 UTC")

	replaced, _ := Apply(there, h.add(events.TypeLoaded, "t2"))
	require.Nil(t, replaced.AcceptedElsewhere)
	healed, _ := Apply(there, h.add(events.TypeAuthorized, "t1"))
	require.Nil(t, healed.AcceptedElsewhere)
	require.Empty(t, healed.Reason)
}
