package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
)

// TestEachDeathIsToldHoweverOftenTheProcessIsKilled kills the process at a
// random moment after each death and each new token.
func TestEachDeathIsToldHoweverOftenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	rounds := 1
	if os.Getenv("SOAK") != "" {
		rounds = 12
	}
	for i := range rounds {
		t.Run(fmt.Sprintf("round %d", i), dieAndCrash)
	}
}

func dieAndCrash(t *testing.T) {
	const deaths = 2 // the third would be damped as flapping
	w := newWorld(t)
	s := &oneProcess{world: w, file: w.configure(t, `nats: {listen: "`+w.nats+`"}`)}
	s.start(t)
	client := weather.NewClient(w.endpoint())
	defer client.Close()
	w.awaitCall(t, client)
	w.awaitStatus(t, events.StatusRunning)
	crash := func() {
		moment := time.NewTimer(time.Duration(rand.Int64N(int64(40 * time.Millisecond))))
		<-moment.C
		s.kill()
		s.start(t)
	}

	var told []string
	for i := range deaths {
		w.upstream.Accept("")
		postCall(t.Context(), w.endpoint())
		crash()
		eventually(t, "the death is recorded", func() bool {
			postCall(t.Context(), w.endpoint()) // clients go on trying
			return w.record(t).Status == events.StatusUnauthenticated
		})
		told = append(told, events.KindOpened)
		eventually(t, "the death is told", func() bool { return len(w.webhook.kinds()) >= len(told) })

		token := fmt.Sprintf("canary-of-round-%d", i)
		w.upstream.Accept(token)
		write(t, w.tokenFile, token+"\n")
		crash()
		w.awaitCall(t, client)
		w.awaitStatus(t, events.StatusRunning)
		told = append(told, events.KindResolved)
		eventually(t, "the recovery is told", func() bool { return len(w.webhook.kinds()) >= len(told) })
		require.Equal(t, told, w.webhook.kinds())
	}
	require.LessOrEqual(t, w.webhook.called(), len(told)+2*deaths, "at most one repetition a kill")

	var deathsRecorded int
	for i, status := range w.transitions(t) {
		if status == events.StatusUnauthenticated {
			deathsRecorded++
		}
		if i == 0 {
			require.Equal(t, events.StatusUnverified, status)
		}
	}
	require.Equal(t, deaths, deathsRecorded)
	require.Equal(t, int64(deaths), w.record(t).Incidents)
	require.NotContains(t, s.output(), "canary-")
}
