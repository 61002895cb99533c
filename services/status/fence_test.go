package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

// loaded at, by the source's clock.
func at(t time.Time) func(*Observation) {
	return func(o *Observation) { o.Data.Credential.LoadedAt = &t }
}

// clockAhead shifts every time that the source gives.
func clockAhead(ahead time.Duration) func(*Observation) {
	return func(o *Observation) {
		o.Time = o.Time.Add(ahead)
		if c := o.Data.Credential; c.LoadedAt != nil {
			t := c.LoadedAt.Add(ahead)
			c.LoadedAt = &t
		}
	}
}

// delayed is stored long after it happened.
func delayed(by time.Duration) func(*Observation) {
	return func(o *Observation) { o.Time = o.Time.Add(-by) }
}

func TestObservationsOfAReplacedCredentialChangeNothing(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := fold(events.Record{}, h.add(events.TypeLoaded, "t1"), h.add(events.TypeLoaded, "t2"), h.add(events.TypeAuthorized, "t2"))
	for _, typ := range []string{events.TypeLoaded, events.TypeUnauthorized, events.TypeAuthorized, events.TypeForbidden, events.TypeExpiring} {
		for _, source := range []string{"a", "b"} {
			after, changed := Apply(r, h.add(typ, "t1", from(source)))
			require.False(t, changed, "%s from %s", typ, source)
			require.Equal(t, r, after)
		}
	}
}

func TestOldTokenPutBackIsCurrentAgain(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := fold(events.Record{}, h.add(events.TypeLoaded, "t1"), h.add(events.TypeUnauthorized, "t1"), h.add(events.TypeLoaded, "t2"))
	r = fold(r, h.add(events.TypeLoaded, "t1", at(h.now)))
	require.Equal(t, "t1", r.Credential.Fingerprint)
	require.Equal(t, events.StatusUnverified, r.Status)
	_, changed := Apply(r, h.add(events.TypeUnauthorized, "t2"))
	require.False(t, changed)
}

func TestObservationWithoutAFingerprintIsAboutTheCurrentCredential(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := reach(t, h, events.StatusRunning)
	o := h.add(events.TypeUnauthorized, "")
	o.Data.Credential = nil
	r = fold(r, o)
	require.Equal(t, events.StatusUnauthenticated, r.Status)
	require.Equal(t, "t1", r.Credential.Fingerprint)
}

// A proxy whose clock is an hour behind must not have its rotation ignored, nor
// one an hour ahead have its old token preferred.
func TestRotationIsSeenThroughSkewedClocks(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string][2]time.Duration{
		"first ahead":  {time.Hour, 0},
		"first behind": {-time.Hour, 0},
		"second ahead": {0, time.Hour},
		"both":         {-time.Hour, 3 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory()
			a := func(typ, token string, loaded time.Time) Observation {
				return h.add(typ, token, at(loaded), clockAhead(skew[0]))
			}
			b := func(typ, token string, loaded time.Time) Observation {
				return h.add(typ, token, at(loaded), clockAhead(skew[1]), from("b"))
			}
			first := h.now
			r := fold(events.Record{}, a(events.TypeLoaded, "t1", first), b(events.TypeLoaded, "t1", first), a(events.TypeAuthorized, "t1", first))
			second := h.now
			r = fold(r, b(events.TypeLoaded, "t2", second))
			require.Equal(t, "t2", r.Credential.Fingerprint)
			r = fold(r, b(events.TypeAuthorized, "t2", second), a(events.TypeUnauthorized, "t1", first))
			require.Equal(t, events.StatusRunning, r.Status)
			r = fold(r, a(events.TypeLoaded, "t2", second))
			require.Equal(t, events.StatusRunning, r.Status)
			r = fold(r, a(events.TypeUnauthorized, "t2", second))
			require.Equal(t, events.StatusUnauthenticated, r.Status)
		})
	}
}

// A proxy that was cut off from the broker tells its story late: by then another
// one has long reported the successor.
func TestDelayedStoryOfAnOldCredentialIsStale(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := fold(events.Record{}, h.add(events.TypeLoaded, "t1", from("b")), h.add(events.TypeLoaded, "t1"))
	h.now = h.now.Add(30 * time.Minute)
	second := h.now
	r = fold(r, h.add(events.TypeLoaded, "t3", at(second)), h.add(events.TypeAuthorized, "t3", at(second)))
	h.now = h.now.Add(30 * time.Minute)
	r = fold(r,
		h.add(events.TypeUnauthorized, "t1", from("b"), delayed(50*time.Minute)),
		h.add(events.TypeLoaded, "t2", at(second.Add(-time.Minute)), from("b"), delayed(45*time.Minute)),
		h.add(events.TypeUnauthorized, "t2", at(second.Add(-time.Minute)), from("b"), delayed(45*time.Minute)))
	require.Equal(t, events.StatusRunning, r.Status)
	require.Equal(t, "t3", r.Credential.Fingerprint)
}

// The first words of a source are an hour late: nothing is known of its clock, but
// that it replaced its own credential is beyond doubt.
func TestBacklogOfANewSourceEndsWithItsLatestCredential(t *testing.T) {
	t.Parallel()
	h := newHistory()
	began := h.now
	late := func(token string, happened time.Time) Observation {
		return h.add(events.TypeLoaded, token, at(happened), func(o *Observation) {
			o.Time, o.Stored = happened, began.Add(time.Hour)
		})
	}
	r := fold(events.Record{}, late("t1", began), late("t2", began.Add(30*time.Minute)))
	require.Equal(t, "t2", r.Credential.Fingerprint)
	_, changed := Apply(r, h.add(events.TypeUnauthorized, "t1", at(began)))
	require.False(t, changed)
}

func TestMissingOfBeforeTheCurrentCredentialIsStale(t *testing.T) {
	t.Parallel()
	h := newHistory()
	r := fold(events.Record{}, h.add(events.TypeLoaded, "t1", from("b")))
	h.now = h.now.Add(time.Hour)
	r = fold(r, h.add(events.TypeLoaded, "t2", at(h.now)))
	r = fold(r, h.add(events.TypeMissing, "", from("b"), delayed(time.Minute)))
	require.Equal(t, events.StatusUnverified, r.Status)
	r = fold(r, h.add(events.TypeMissing, "", from("b")))
	require.Equal(t, events.StatusMissing, r.Status)
}

// The only proxy that used the recorded credential loses it, and its clock is
// ahead: the successor that another one loads must not look older than it.
func TestMissingOfASkewedProxyYieldsToAnotherOne(t *testing.T) {
	t.Parallel()
	h := newHistory()
	ahead := clockAhead(90 * time.Second)
	r := fold(events.Record{}, h.add(events.TypeLoaded, "t1", at(h.now)), h.add(events.TypeLoaded, "t1", at(h.now), from("b"), ahead))
	r = fold(r, h.add(events.TypeLoaded, "t2", at(h.now), from("b"), ahead), h.add(events.TypeMissing, "", from("b"), ahead))
	require.Equal(t, events.StatusMissing, r.Status)
	r = fold(r, h.add(events.TypeLoaded, "t3", at(h.now)))
	require.Equal(t, events.StatusUnverified, r.Status)
	require.Equal(t, "t3", r.Credential.Fingerprint)
}

func TestMissingYieldsToAnyLaterLoaded(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"t1", "t2", "t3"} {
		for _, source := range []string{"a", "b"} {
			h := newHistory()
			r := fold(events.Record{}, h.add(events.TypeLoaded, "t2"), h.add(events.TypeMissing, ""))
			require.Equal(t, events.StatusMissing, r.Status)
			r = fold(r, h.add(events.TypeLoaded, token, at(h.now), from(source)))
			require.Equal(t, events.StatusUnverified, r.Status)
			require.Equal(t, token, r.Credential.Fingerprint)
		}
	}
}

// Clocks are set, backwards too. What the source says afterwards counts.
func TestClockSetBackDoesNotSilenceASource(t *testing.T) {
	t.Parallel()
	h := newHistory()
	ahead := clockAhead(365 * 24 * time.Hour)
	r := fold(events.Record{}, h.add(events.TypeLoaded, "t1", at(h.now), ahead), h.add(events.TypeAuthorized, "t1", at(h.now), ahead))
	o := h.add(events.TypeLoaded, "t2", at(h.now))
	require.True(t, doubtful(r, o))
	r = fold(r, o, h.add(events.TypeUnauthorized, "t2", at(h.now)))
	require.Equal(t, "t2", r.Credential.Fingerprint)
	require.Equal(t, events.StatusUnauthenticated, r.Status)
}

func TestRepeatedEventChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHistory()
	rejected := h.add(events.TypeUnauthorized, "t1")
	r := fold(events.Record{}, rejected, h.add(events.TypeAuthorized, "t1"))
	h.now = h.now.Add(time.Hour)
	again := h.add(events.TypeUnauthorized, "t1")
	again.ID, again.Time = rejected.ID, rejected.Time
	require.True(t, doubtful(r, again))
	again.Repeated = true
	_, changed := Apply(r, again)
	require.False(t, changed)

	last := h.add(events.TypeAuthorized, "t1")
	last.ID = r.Observers[0].ID
	_, changed = Apply(r, last)
	require.False(t, changed)
}

func TestPromptObservationsInOrderAreNotDoubtful(t *testing.T) {
	t.Parallel()
	h := newHistory()
	var r events.Record
	for _, o := range []Observation{
		h.add(events.TypeLoaded, "t1"), h.add(events.TypeAuthorized, "t1"), h.add(events.TypeLoaded, "t1", from("b"), at(h.now)),
		h.add(events.TypeUnauthorized, "t1", from("b")),
	} {
		require.False(t, doubtful(r, o))
		r = fold(r, o)
	}
}

func TestObserversAreBounded(t *testing.T) {
	t.Parallel()
	h := newHistory()
	var r events.Record
	for i := range 3 * maxObservers {
		r = fold(r, h.add(events.TypeAuthorized, "t1", from(string(rune('A'+i)))))
	}
	require.Len(t, r.Observers, maxObservers)
	_, oldest := observer(r, "urn:authwatch:proxy:A")
	require.False(t, oldest)
	_, latest := observer(r, "urn:authwatch:proxy:"+string(rune('A'+3*maxObservers-1)))
	require.True(t, latest)
}
