package status

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/authwatch/authwatch/events"
)

// nobody are no leases: no proxy serves anything.
type nobody struct{}

func (nobody) instances(context.Context, string) ([]string, error) { return nil, nil }

func elsewhere(o *Observation) { o.ServedElsewhere = true }

func byPerson(note string) func(*Observation) {
	return func(o *Observation) {
		o.Source, o.Data.By, o.Data.Note = person, "ada", note
		o.Data.Credential = nil
	}
}

func TestTheEndOfAWorkloadClosesItsIncident(t *testing.T) {
	t.Parallel()
	h := newHistory()
	before := fold(events.Record{}, h.add(events.TypeUnauthorized, "t1"))
	o := h.add(events.TypeRetired, "")
	r := fold(before, o)
	require.Equal(t, events.StatusRetired, r.Status)
	require.Equal(t, events.StatusUnauthenticated, r.Previous)
	require.Equal(t, o.Stored, r.Since)
	require.Empty(t, r.Incident)
	require.Empty(t, r.Reason)
	require.Nil(t, r.Evidence)
	require.Equal(t, &events.Incident{ID: before.Incident, Opened: *before.IncidentOpened, Closed: o.Stored, Reason: "bare_401", Retired: true}, r.LastIncident)
	require.Equal(t, "github: it was removed from the configuration.", r.Message)
	require.Equal(t, events.TypeRetired, r.Cause.Type)
}

func TestAnIncidentThatWasOverBeforeTheEndOfItsWorkloadStaysRecovered(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := fold(events.Record{}, h.add(events.TypeUnauthorized, "t1"), h.add(events.TypeAuthorized, "t1"), h.add(events.TypeRetired, ""))
	require.Equal(t, events.StatusRetired, r.Status)
	require.False(t, r.LastIncident.Retired)
}

func TestAWorkloadIsRetiredWhenTheLastProxyThatServedItSaysSo(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := fold(events.Record{}, h.add(events.TypeUnauthorized, "t1"), h.add(events.TypeUnauthorized, "t1", from("b")),
		h.add(events.TypeRetired, "", elsewhere))
	require.Equal(t, events.StatusUnauthenticated, r.Status)
	require.NotEmpty(t, r.Incident)
	said, _ := observer(r, "urn:authwatch:proxy:a")
	require.Equal(t, events.TypeRetired, said.Type)
	r = fold(r, h.add(events.TypeRetired, "", from("b")))
	require.Equal(t, events.StatusRetired, r.Status)
}

func TestARetiredWorkloadComesBackWithWhateverIsObservedOfIt(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]events.Status{
		events.TypeLoaded: events.StatusUnverified, events.TypeAuthorized: events.StatusRunning,
		events.TypeUnauthorized: events.StatusUnauthenticated, events.TypeMissing: events.StatusMissing,
	} {
		for _, token := range []string{"t1", "t2", "t3"} { // t1 was loaded before the recorded one
			h := newHistory()
			r := fold(events.Record{}, h.add(events.TypeUnauthorized, "t2"), h.add(events.TypeRetired, ""))
			old := r.LastIncident
			if typ == events.TypeMissing {
				token = ""
			}
			r = fold(r, h.add(typ, token, from("c")))
			require.Equal(t, want, r.Status, "%s %s", typ, token)
			require.Equal(t, events.StatusRetired, r.Previous)
			require.Equal(t, old, r.LastIncident)
			if want.Bad() {
				require.NotEqual(t, old.ID, r.Incident)
				require.EqualValues(t, 2, r.Incidents)
			}
		}
	}
}

func TestNothingIsRecordedOfTheEndOfWhatWasNeverObserved(t *testing.T) {
	t.Parallel()
	_, changed := Apply(events.Record{}, newHistory().add(events.TypeRetired, ""))
	require.False(t, changed)
}

func TestForgettingSaysWhoAskedAndIsRefusedWhileAProxyServes(t *testing.T) {
	t.Parallel()
	h := newHistory()
	before := fold(events.Record{}, h.add(events.TypeUnauthorized, "t1"))
	_, changed := Apply(before, h.add(events.TypeRetired, "", byPerson("moved"), elsewhere))
	require.False(t, changed)
	r := fold(before, h.add(events.TypeRetired, "", byPerson("moved")))
	require.Equal(t, events.StatusRetired, r.Status)
	require.Equal(t, "github: it was taken out of service: ada asked to forget it: moved.", r.Message)
	require.Equal(t, before.Observers, r.Observers, "a person is no proxy")
	r = fold(r, h.add(events.TypeRetired, "", from("b"))) // late, and no news
	require.Equal(t, "github: it was taken out of service: ada asked to forget it: moved.", r.Message)
}

func TestAnIncidentIsAcknowledgedUntilItCloses(t *testing.T) {
	t.Parallel()
	h := newHistory()
	end := noon.Add(4 * time.Hour)
	r := fold(events.Record{}, h.add(events.TypeUnauthorized, "t1"))
	o := h.add(events.TypeAcknowledged, "", byPerson("on it"), func(o *Observation) { o.Data.Incident, o.Data.Until = r.Incident, &end })
	r = fold(r, o)
	want := &events.Acknowledgement{By: "ada", At: o.Stored, Until: &end, Note: "on it"}
	require.Equal(t, want, r.Acknowledged)
	require.Equal(t, events.StatusUnauthenticated, r.Status)
	r = fold(r, h.add(events.TypeMissing, ""), h.add(events.TypeUnauthorized, "t2"), h.add(events.TypeUnauthorized, "t2"))
	require.Equal(t, want, r.Acknowledged, "the same incident")
	r = fold(r, h.add(events.TypeAuthorized, "t2"))
	require.Nil(t, r.Acknowledged)
	r = fold(r, h.add(events.TypeUnauthorized, "t2"))
	require.Nil(t, r.Acknowledged, "a new incident")
}

func TestAWordAboutAnotherIncidentAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	h := newHistory()
	running := fold(events.Record{}, h.add(events.TypeAuthorized, "t1"))
	_, changed := Apply(running, h.add(events.TypeAcknowledged, "", byPerson("")))
	require.False(t, changed, "none is open")
	dead := fold(running, h.add(events.TypeUnauthorized, "t1"))
	_, changed = Apply(dead, h.add(events.TypeAcknowledged, "", byPerson(""), func(o *Observation) { o.Data.Incident = "other" }))
	require.False(t, changed)
	require.NotNil(t, fold(dead, h.add(events.TypeAcknowledged, "", byPerson(""))).Acknowledged)
}

// served is a workload as two proxies' configurations and leases have it.
type served struct {
	tape    *tape
	dead    bool // what the upstream says of the token
	proxies [2]*server
	crashed bool // a proxy ended without a word, at some time
	n       int
}

type server struct {
	source string
	has    bool // the workload is in its configuration
	up     bool
	lease  bool // what the status service knows of it, perhaps late
	queue  []event.Event
}

func (s *served) instances(context.Context, string) ([]string, error) {
	var all []string
	for i, p := range s.proxies {
		if p.lease {
			all = append(all, string(rune('a'+i)))
		}
	}
	return all, nil
}

func (s *served) say(p *server, typ string) {
	s.n++
	o := events.Observation{Workload: "github"}
	if typ != events.TypeRetired && p.source != person {
		at := s.tape.now
		o.Credential = &events.Credential{Fingerprint: "t1", Source: "file /run/secrets/github", LoadedAt: &at}
	}
	e, err := events.New(typ, p.source, "github", s.tape.now, o)
	if err != nil {
		panic(err)
	}
	e.SetID(fmt.Sprint("event-", s.n))
	p.queue = append(p.queue, e)
}

func (s *served) verdict() string {
	if s.dead {
		return events.TypeUnauthorized
	}
	return events.TypeAuthorized
}

func (s *served) publish(p *server) {
	for _, e := range p.queue {
		s.tape.observe(e)
	}
	p.queue = nil
}

// load is a reload, or a start, with the workload in the configuration or not. What
// the list was before is remembered over a crash.
func (s *served) load(p *server, has bool) {
	switch {
	case has && (!p.has || !p.up):
		s.say(p, events.TypeLoaded)
		s.say(p, s.verdict())
	case p.has && !has:
		s.say(p, events.TypeRetired)
	}
	p.has, p.up = has, true
}

func (s *served) step(t *rapid.T, rc *recorder) {
	p := s.proxies[rapid.IntRange(0, 1).Draw(t, "proxy")]
	switch rapid.IntRange(0, 8).Draw(t, "what") {
	case 0, 1:
		s.load(p, false)
	case 2, 3:
		s.load(p, true)
	case 4: // it crashes, and its lease runs out
		p.up, p.lease = false, false
		s.crashed = s.crashed || p.has
	case 5:
		for _, p := range s.proxies {
			p.lease = p.up && p.has
		}
	case 6:
		if s.dead = !s.dead; p.up && p.has {
			s.say(p, s.verdict())
		}
	case 7:
		s.publish(p)
	case 8:
		s.handle(t, rc)
	}
}

func (s *served) handle(t *rapid.T, rc *recorder) {
	if len(s.tape.auth) > 0 {
		require.NoError(t, rc.handle(t.Context(), s.tape.auth[len(s.tape.auth)-1]))
	}
}

func (s *served) serves() bool {
	return slices.ContainsFunc(s.proxies[:], func(p *server) bool { return p.has && p.up })
}

// Removed, renamed, forgotten, added again, by two proxies that reload, crash and
// are heard of late: in the end the record says who serves the workload.
func TestAWorkloadEndsWhenNobodyServesItAndNeverBefore(t *testing.T) {
	t.Parallel()
	schedules(t)
	rapid.Check(t, func(t *rapid.T) {
		s := &served{tape: newTape(noon), proxies: [2]*server{{source: "urn:authwatch:proxy:a"}, {source: "urn:authwatch:proxy:b"}}}
		rc := newRecorder(s.tape, newView(), s, slog.New(slog.DiscardHandler), newMetrics(nil), nil)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			s.tape.now = s.tape.now.Add(time.Second)
			s.step(t, rc)
		}
		for _, p := range s.proxies { // the leases follow last
			s.tape.now = s.tape.now.Add(time.Second)
			s.publish(p)
			s.handle(t, rc)
		}
		for _, p := range s.proxies {
			if p.lease = p.up && p.has; p.lease { // a client's request
				s.tape.now = s.tape.now.Add(time.Second)
				s.say(p, s.verdict())
				s.publish(p)
				s.handle(t, rc)
			}
		}
		record, _ := s.tape.recorded("github")
		observed := record.Status != ""
		switch {
		case s.serves():
			require.NotEqual(t, events.StatusRetired, record.Status)
		case observed && !s.crashed:
			require.Equal(t, events.StatusRetired, record.Status)
		}
		// What nobody serves can be forgotten; what somebody serves cannot.
		ada := &server{source: person}
		s.say(ada, events.TypeRetired)
		s.publish(ada)
		s.handle(t, rc)
		record, changes := s.tape.recorded("github")
		require.Equal(t, observed && !s.serves(), record.Status == events.StatusRetired)
		require.Equal(t, record.Status.Bad(), record.Incident != "")
		for i, r := range changes[min(1, len(changes)):] {
			require.NotEqual(t, changes[i].Status, r.Status, "each change is one")
		}
	})
}
