package demo

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
)

func TestStepsArePrintedInTheOrderOfTheStoryHoweverTheyArrive(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	d := &demo{narrator: newNarrator(terminal.New(&out))}
	d.tell(moment{kind: alert, key: events.KindOpened, text: "of a chapter that is over"})
	d.begin()
	zero := d.opened
	d.tell(moment{kind: alert, key: events.KindOpened, at: zero.Add(9 * time.Millisecond), text: "told"})
	d.tell(moment{kind: status, key: "unauthenticated", at: zero.Add(8 * time.Millisecond), text: "recorded", more: "put a new token there"})
	d.tell(moment{kind: event, key: events.TypeUnauthorized, at: zero.Add(2 * time.Millisecond), text: "seen"})
	require.NoError(t, d.expect(t.Context(), zero,
		step{event, events.TypeUnauthorized}, step{status, "unauthenticated"}, step{alert, events.KindOpened}))
	require.Equal(t, `  event        +2 ms   seen
  status       +8 ms   recorded
                       put a new token there
  alert        +9 ms   told
`, out.String())
}

func TestAStepThatDoesNotHappenIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &demo{narrator: newNarrator(terminal.New(&bytes.Buffer{}))}
		d.begin()
		d.tell(moment{kind: alert, key: events.KindResolved})
		err := d.expect(t.Context(), d.opened, step{alert, events.KindOpened})
		require.EqualError(t, err, "the demo is stuck: no alert opened within 30s")
	})
}

func TestAPartThatEndsEndsTheDemo(t *testing.T) {
	t.Parallel()
	d := &demo{narrator: newNarrator(terminal.New(&bytes.Buffer{}))}
	d.begin()
	d.tell(moment{kind: failed, text: "out of disk"})
	require.Equal(t, errors.New("out of disk"), d.expect(t.Context(), d.opened, step{event, ""}))
}
