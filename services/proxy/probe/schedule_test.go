package probe

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestAnIdleWorkloadIsAskedAfterTheConfiguredTime(t *testing.T) {
	t.Parallel()
	s := Schedule{IdleAfter: 30 * time.Minute}
	require.Equal(t, noon.Add(30*time.Minute), s.Next(noon))
	require.Equal(t, noon.Add(50*time.Minute), s.Next(noon.Add(20*time.Minute)), "use puts it off")
	s.Asked(noon.Add(30*time.Minute), false)
	require.Equal(t, noon.Add(60*time.Minute), s.Next(noon), "and again")
	require.Equal(t, noon.Add(75*time.Minute), s.Next(noon.Add(45*time.Minute)))
}

func TestARejectedCredentialIsAskedAboutLessAndLess(t *testing.T) {
	t.Parallel()
	s := Schedule{IdleAfter: 30 * time.Minute}
	now := noon.Add(30 * time.Minute)
	for _, want := range []time.Duration{time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour} {
		s.Asked(now, true)
		require.Equal(t, want, s.Next(noon).Sub(now))
		now = s.Next(noon)
	}
	s.Renewed()
	require.Equal(t, 30*time.Minute, s.Next(noon).Sub(now.Add(-6*time.Hour)))
	s.Asked(now, true)
	s.Asked(now, false)
	require.Equal(t, 30*time.Minute, s.Next(noon).Sub(now))
}

func TestAWorkloadThatIsUsedIsAskedAtTheConfiguredPaceToo(t *testing.T) {
	t.Parallel()
	s := Schedule{Every: 15 * time.Minute, Since: noon}
	require.Equal(t, noon.Add(15*time.Minute), s.Next(noon.Add(14*time.Minute)), "use does not put it off")
	s.Asked(noon.Add(15*time.Minute), false)
	require.Equal(t, noon.Add(30*time.Minute), s.Next(noon.Add(29*time.Minute)))
	s.Asked(noon.Add(30*time.Minute), true)
	require.Equal(t, noon.Add(60*time.Minute), s.Next(noon), "a dead one less often")

	s = Schedule{Every: time.Hour, IdleAfter: 20 * time.Minute, Since: noon}
	require.Equal(t, noon.Add(30*time.Minute), s.Next(noon.Add(10*time.Minute)), "whichever comes first")
	require.Equal(t, noon.Add(time.Hour), s.Next(noon.Add(50*time.Minute)))
	s.Asked(noon.Add(time.Hour), false)
	require.Equal(t, noon.Add(80*time.Minute), s.Next(noon.Add(50*time.Minute)))
}

func TestAnyTwoQuestionsAreTenMinutesApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := Schedule{IdleAfter: time.Duration(rapid.Int64Range(1, int64(24*time.Hour)).Draw(t, "idle_after"))}
		used := noon
		asked := time.Time{}
		for range 30 {
			if rapid.Bool().Draw(t, "used") {
				used = used.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "later")))
			}
			next := s.Next(used)
			require.False(t, next.Before(used.Add(s.IdleAfter)))
			if !asked.IsZero() {
				require.GreaterOrEqual(t, next.Sub(asked), Soonest)
				require.LessOrEqual(t, next.Sub(asked), max(latest, s.IdleAfter, used.Add(s.IdleAfter).Sub(asked)))
			}
			asked = next
			s.Asked(next, rapid.Bool().Draw(t, "rejected"))
			if rapid.Bool().Draw(t, "renewed") {
				s.Renewed()
			}
		}
	})
}
