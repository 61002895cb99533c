package credential

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/clock"
)

// script is a fetcher whose answers are written down in advance; the last one
// stays. It notes when it was asked.
type script struct {
	mu      sync.Mutex
	answers []answer
	takes   time.Duration
	asked   []time.Duration
	begin   time.Time
}

type answer struct {
	token string
	lives time.Duration
	bad   *failure
}

func (s *script) read(ctx context.Context) (reading, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begin.IsZero() {
		s.begin = time.Now()
	}
	s.asked = append(s.asked, time.Since(s.begin))
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	if s.takes > 0 {
		clock.Sleep(ctx, s.takes)
	}
	if a.bad != nil {
		bad := *a.bad
		return reading{}, &bad
	}
	r := reading{token: a.token}
	if a.lives > 0 {
		r.expires = time.Now().Add(a.lives)
	}
	return r, nil
}

func (*script) changed() bool { return false }

func (s *script) times() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Duration(nil), s.asked...)
}

var (
	fetched   = kind{name: "oauth2 https://login.example/token", renews: true}
	transient = &failure{problem: events.ProblemFailed, detail: "it answered 503"}
	refusal   = &failure{problem: events.ProblemRefused, detail: "invalid_grant", permanent: true}
)

func scripted(w *witness, k kind, answers ...answer) (*Source, *script) {
	o := &script{answers: answers}
	s := newSource(o, k, time.Time{}, w.logger())
	s.Subscribe(w)
	s.random = func() float64 { return 1 }
	return s, o
}

func TestATokenIsRenewedAtFourFifthsOfItsLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, o := scripted(&w, fetched, answer{token: "first-token", lives: 100 * time.Minute}, answer{token: "second-token", lives: 10 * time.Minute})
		run(t, s)
		clock.Sleep(t.Context(), 80*time.Minute-time.Second)
		require.Equal(t, "first-token", token(s))
		clock.Sleep(t.Context(), 2*time.Second)
		require.Equal(t, "second-token", token(s))
		require.Equal(t, uint64(2), s.Current().Generation)
		clock.Sleep(t.Context(), 8*time.Minute)
		require.Equal(t, []time.Duration{0, 80 * time.Minute, 88 * time.Minute}, o.times())
		require.Equal(t, []string{"first-token", "second-token"}, w.values())
		require.Empty(t, w.lefts(), "what renews itself is nobody's business")
	})
}

func TestTheRenewalIsSpreadOverATenthOfTheTime(t *testing.T) {
	t.Parallel()
	s := newSource(&script{}, fetched, time.Time{}, (&witness{}).logger())
	for range 1000 {
		at := s.renewal(noon.Add(100*time.Minute), noon)
		require.False(t, at.Before(noon.Add(72*time.Minute)))
		require.False(t, at.After(noon.Add(80*time.Minute)))
	}
	require.Equal(t, noon.Add(renewSoonest), s.renewal(noon.Add(time.Second), noon), "a short life is no reason for a hot loop")
}

func TestAHelperWithoutAnExpiryIsAskedNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, o := scripted(&w, kind{name: "exec /x", renews: true, every: 5 * time.Minute}, answer{token: "the-token"})
		run(t, s)
		loaded := s.Current().LoadedAt
		clock.Sleep(t.Context(), 16*time.Minute)
		require.Equal(t, []time.Duration{0, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute}, o.times())
		require.Equal(t, []string{"the-token"}, w.values(), "the same value is no news")
		require.Equal(t, uint64(1), s.Current().Generation)
		require.Equal(t, loaded, s.Current().LoadedAt)
	})
}

func TestATokenEndpointThatNamesNoExpiryIsNotAskedUntilTheTokenIsDoubted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, o := scripted(&w, fetched, answer{token: "first-token"}, answer{token: "second-token"})
		run(t, s)
		clock.Sleep(t.Context(), 24*time.Hour)
		require.Len(t, o.times(), 1)
		require.Equal(t, "second-token", s.Reread(t.Context()).Token.Reveal())
	})
}

func TestWhileTheSourceFailsTheTokenIsKeptUntilItIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, o := scripted(&w, fetched, answer{token: "first-token", lives: 10 * time.Minute}, answer{bad: transient})
		run(t, s)
		clock.Sleep(t.Context(), 9*time.Minute)
		require.True(t, s.Current().Usable())
		require.Equal(t, uint64(1), s.Current().Generation)
		require.Equal(t, "it answered 503", s.Current().Stale)
		require.Equal(t, []string{"first-token"}, w.values())

		clock.Sleep(t.Context(), time.Minute+time.Second)
		require.False(t, s.Current().Usable())
		require.Zero(t, s.Current().Generation)
		require.Empty(t, s.Current().Header().Get("Authorization"))
		require.Equal(t, []string{"first-token", "-failed"}, w.values())
		require.Equal(t, "it answered 503", s.Current().Detail)

		asked := o.times()
		require.Equal(t, 8*time.Minute, asked[1])
		require.Equal(t, 8*time.Minute+time.Second, asked[2])
		require.Equal(t, 8*time.Minute+3*time.Second, asked[3])
		require.Equal(t, 8*time.Minute+7*time.Second, asked[4])
		require.Len(t, w.failed(), len(asked)-1)
	})
}

func TestATokenThatEndsWhileNobodyFailsIsNotDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, _ := scripted(&w, fetched, answer{token: "first-token", lives: time.Second}, answer{token: "second-token", lives: time.Hour})
		run(t, s)
		clock.Sleep(t.Context(), 3*time.Second)
		require.Equal(t, "first-token", token(s))
		clock.Sleep(t.Context(), 3*time.Second)
		require.Equal(t, []string{"first-token", "second-token"}, w.values())
	})
}

func TestTheBackoffGrowsAndEndsWithTheFirstSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		answers := make([]answer, 12)
		for i := range answers {
			answers[i] = answer{bad: transient}
		}
		s, o := scripted(&w, fetched, append(answers, answer{token: "the-token", lives: time.Hour}, answer{bad: transient})...)
		run(t, s)
		clock.Sleep(t.Context(), 30*time.Minute)
		asked := o.times()
		for i, want := range []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300} {
			require.InDelta(t, want, (asked[i+1] - asked[i]).Seconds(), 0, i)
		}
		require.Equal(t, []string{"-failed", "the-token"}, w.values(), "one failure, told once")
		clock.Sleep(t.Context(), time.Hour)
		asked = o.times()
		require.Equal(t, time.Second, asked[14]-asked[13], "from the start")
	})
}

func TestRetryAfterIsHonouredUpToAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, o := scripted(&w, fetched,
			answer{bad: &failure{problem: events.ProblemFailed, detail: "it answered 429", after: 10 * time.Minute}},
			answer{bad: &failure{problem: events.ProblemFailed, detail: "it answered 429", after: 24 * time.Hour}},
			answer{token: "the-token"})
		run(t, s)
		clock.Sleep(t.Context(), 5*time.Minute)
		s.Reread(t.Context())
		require.Len(t, o.times(), 1, "a doubt is no reason to ask earlier")
		clock.Sleep(t.Context(), 2*time.Hour)
		require.Equal(t, []time.Duration{0, 10 * time.Minute, 70 * time.Minute}, o.times())
	})
}

func TestARefusalIsAnnouncedBeforeTheTokenIsOverAndAskedAgainSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, o := scripted(&w, fetched, answer{token: "first-token", lives: time.Hour}, answer{bad: refusal})
		run(t, s)
		clock.Sleep(t.Context(), 48*time.Minute+time.Second)
		require.Equal(t, []time.Duration{12 * time.Minute}, w.lefts())
		require.True(t, s.Current().Usable())
		require.Equal(t, "invalid_grant", s.Current().Stale)
		clock.Sleep(t.Context(), 20*time.Minute)
		require.Equal(t, []time.Duration{12 * time.Minute, 5 * time.Minute}, w.lefts())
		require.Equal(t, []string{"first-token", "-refused"}, w.values())
		require.Equal(t, []time.Duration{0, 48 * time.Minute, 58 * time.Minute, 68 * time.Minute}, o.times())
	})
}

func TestARefusalAtTheStartIsAProblemAtOnceAndHealsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, _ := scripted(&w, fetched, answer{bad: refusal}, answer{token: "the-token"})
		run(t, s)
		require.Equal(t, events.ProblemRefused, s.Current().Problem)
		clock.Sleep(t.Context(), 11*time.Minute)
		require.Equal(t, []string{"-refused", "the-token"}, w.values())
	})
}

func TestTheSameValueComingBackIsTheSameGeneration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, _ := scripted(&w, fetched, answer{token: "the-token", lives: 10 * time.Second}, answer{bad: transient}, answer{bad: transient}, answer{bad: transient}, answer{token: "the-token", lives: time.Hour})
		run(t, s)
		first := s.Current()
		clock.Sleep(t.Context(), 12*time.Second)
		require.False(t, s.Current().Usable())
		clock.Sleep(t.Context(), time.Minute)
		again := s.Current()
		require.Equal(t, first.Generation, again.Generation)
		require.Equal(t, first.LoadedAt, again.LoadedAt)
		require.True(t, again.ExpiresAt.After(first.ExpiresAt))
		require.Equal(t, []string{"the-token", "-failed", "the-token"}, w.values())
	})
}

func TestAFormerValueThatComesBackIsANewGeneration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, _ := scripted(&w, kind{name: "file /x"}, answer{token: "value-a"}, answer{token: "value-b"}, answer{token: "value-a"})
		for want := range uint64(3) {
			require.Equal(t, want+1, s.Reread(t.Context()).Generation)
			clock.Sleep(t.Context(), time.Second)
		}
		require.Equal(t, []string{"value-a", "value-b", "value-a"}, w.values())
	})
}

func TestDoubtsReachHelpersAndEndpointsOnceAndThenAtMostOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, o := scripted(&w, fetched, answer{token: "first-token", lives: time.Hour}, answer{token: "second-token", lives: time.Hour})
		run(t, s)
		for range 90 {
			s.Reread(t.Context())
			clock.Sleep(t.Context(), time.Second)
		}
		require.Equal(t, []time.Duration{0, 0, time.Minute}, o.times())
	})
}

func TestAReadThatIsUnderWayDoesNotMakeCurrentWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, o := scripted(&w, fetched, answer{token: "the-token"})
		o.takes = time.Minute
		require.Empty(t, s.Current().Problem, "nothing is known yet")
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.False(t, s.Reread(ctx).Usable())
		require.Equal(t, time.Second, time.Since(begin))
		<-s.Loaded()
		require.Equal(t, time.Minute, time.Since(begin))
		require.Equal(t, "the-token", token(s))
	})
}

func TestTheEndOfRunEndsTheReadAndSaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, o := scripted(&w, fetched, answer{bad: transient})
		o.takes = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		clock.Sleep(t.Context(), time.Second)
		begin := time.Now()
		cancel()
		<-done
		require.Zero(t, time.Since(begin))
		require.Empty(t, w.values())
		require.Empty(t, w.failed())
	})
}

func TestEverySubscriberIsToldFromWhatIsCurrentOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var first, second witness
		s, _ := scripted(&first, kind{name: "file /x"}, answer{token: "value-a"}, answer{token: "value-b"}, answer{token: "value-c"})
		require.Empty(t, first.values(), "nothing was read yet")
		s.Reread(t.Context())
		end := s.Subscribe(&second)
		require.Equal(t, []string{"value-a"}, second.values())
		s.Reread(t.Context())
		end()
		s.Reread(t.Context())
		require.Equal(t, []string{"value-a", "value-b"}, second.values())
		require.Equal(t, []string{"value-a", "value-b", "value-c"}, first.values())
	})
}

func TestEachThresholdBeforeTheEndOfATokenIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		o := &script{answers: []answer{{token: "opaque-token"}}}
		s := newSource(o, kind{name: "file /x"}, time.Now().Add(10*24*time.Hour), w.logger())
		s.Subscribe(&w)
		run(t, s)
		for range 11 * 24 {
			s.Reread(t.Context()) // the value stays the same
			clock.Sleep(t.Context(), time.Hour)
		}
		require.Equal(t, thresholds, w.lefts())
		require.True(t, s.Current().Usable(), "only the upstream says that it is over")
	})
}

func TestAValueWhoseLifeIsProlongedIsAnnouncedAnew(t *testing.T) {
	t.Parallel()
	var w witness
	s, _ := scripted(&w, fetched, answer{bad: transient})
	sent, bad := attach(s.fields, "the-token")
	require.Nil(t, bad)
	s.adopt(reading{token: "the-token", expires: noon.Add(4 * time.Minute), attached: sent}, noon)
	s.state.alarm.told = 5 * time.Minute
	s.adopt(reading{token: "the-token", expires: noon.Add(4 * time.Minute), attached: sent}, noon)
	require.Equal(t, 5*time.Minute, s.state.alarm.told)
	s.adopt(reading{token: "the-token", expires: noon.Add(time.Hour), attached: sent}, noon)
	require.Zero(t, s.state.alarm.told)
}

func TestATokenThatIsOverIsNotReturnedByTheReadThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s, _ := scripted(&w, fetched, answer{token: "the-token", lives: 2 * time.Minute}, answer{bad: transient})
		require.True(t, s.Reread(t.Context()).Usable())
		clock.Sleep(t.Context(), 3*time.Minute)
		require.False(t, s.Reread(t.Context()).Usable(), "without Run nobody else drops it")
		require.NotContains(t, w.log(), "the one in use stays")
	})
}

func TestANewValueIsAnnouncedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		o := &script{answers: []answer{{token: "value-a"}, {token: "value-b"}}}
		s := newSource(o, kind{name: "file /x"}, time.Now().Add(2*time.Hour), w.logger())
		s.Subscribe(&w)
		run(t, s)
		clock.Sleep(t.Context(), 90*time.Minute)
		s.Reread(t.Context())
		clock.Sleep(t.Context(), time.Minute)
		require.Equal(t, []time.Duration{2 * time.Hour, time.Hour, 30 * time.Minute}, w.lefts())
	})
}

func TestNoValueEverReachesALogOrADetail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		const a, b = "canary-current-value", "canary-former-value"
		s, _ := scripted(&w, kind{name: "exec /x", renews: true, every: time.Minute},
			answer{token: a, lives: 10 * time.Minute}, answer{token: b, lives: time.Minute},
			answer{bad: &failure{problem: events.ProblemFailed, detail: "it failed", said: "tried " + a + " and " + b + " but not opaquesecretcanary0123456789"}})
		run(t, s)
		clock.Sleep(t.Context(), time.Hour)
		require.Equal(t, "it failed: tried <redacted> and <redacted> but not <redacted>", s.Current().Detail)
		require.NotContains(t, w.log(), "canary")
		require.NotContains(t, s.redact("x "+a+" y "+b), "canary")
	})
}
