package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
)

// The kinds of moment.
const (
	called   = "call"   // a tool call was answered
	refused  = "client" // a tool call failed
	rejected = "401"    // the server refused a request
	event    = "event"  // an auth.* event is on the bus
	status   = "status" // a status.changed event is on the bus
	alert    = "alert"  // the webhook was called
	failed   = "failed" // a part of the demo itself ended
)

// A moment is one thing that one of the parts saw.
type moment struct {
	kind string
	key  string // what a step of the script waits for: the event's type, the status, the alert's kind
	at   time.Time
	text string
	more string // wrapped below the text
	good bool
}

// narrator prints the moments in the order that the story has, although they
// arrive from different parts at once.
type narrator struct {
	*terminal.Printer
	arrivals chan moment
	early    []moment  // arrived before the script asked for them
	opened   time.Time // of this chapter
}

func newNarrator(p *terminal.Printer) *narrator {
	return &narrator{Printer: p, arrivals: make(chan moment, 1024)}
}

// tell hands a moment over. It never blocks what the demo is about.
func (n *narrator) tell(m moment) {
	if m.at.IsZero() {
		m.at = time.Now()
	}
	select {
	case n.arrivals <- m:
	default:
	}
}

// begin forgets what arrived so far: a new chapter.
func (n *narrator) begin() {
	n.early, n.opened = nil, time.Now()
}

// stageTimeout bounds each step of the script.
const stageTimeout = 30 * time.Second

// await returns the first moment of a kind and key in this chapter.
func (n *narrator) await(ctx context.Context, kind, key string) (moment, error) {
	wanted := func(m moment) bool { return m.kind == kind && (key == "" || m.key == key) && !m.at.Before(n.opened) }
	for i, m := range n.early {
		if wanted(m) {
			n.early = append(n.early[:i], n.early[i+1:]...)
			return m, nil
		}
	}
	timeout := time.NewTimer(stageTimeout)
	defer timeout.Stop()
	for {
		select {
		case m := <-n.arrivals:
			switch {
			case wanted(m):
				return m, nil
			case m.kind == failed:
				return moment{}, errors.New(m.text)
			}
			n.early = append(n.early, m)
		case <-timeout.C:
			return moment{}, fmt.Errorf("the demo is stuck: no %s within %s", strings.TrimSpace(kind+" "+key), stageTimeout)
		case <-ctx.Done():
			return moment{}, ctx.Err()
		}
	}
}

const (
	labelWidth = 8
	timeWidth  = 9
	textIndent = 2 + labelWidth + 1 + timeWidth + 3
)

// print prints a moment and when it was.
func (n *narrator) print(m moment, when string) {
	n.Line("  %s %s   %s", n.Bold(terminal.Pad(m.kind, labelWidth)), n.Dim(terminal.Pad(when, -timeWidth)), n.styleOf(m)(terminal.Clean(m.text)))
	for _, line := range terminal.Wrap(m.more, textIndent) {
		n.Line("%s%s", strings.Repeat(" ", textIndent), line)
	}
}

func (n *narrator) styleOf(m moment) func(string) string {
	switch {
	case m.kind == called:
		return n.Dim
	case m.good:
		return n.Green
	}
	return n.Red
}

func since(at, zero time.Time) string {
	d := at.Sub(zero)
	if d >= 10*time.Second {
		return fmt.Sprintf("+%.1f s", d.Seconds())
	}
	return fmt.Sprintf("+%d ms", max(d.Milliseconds(), 0))
}

// chapter prints a line that stands out between two parts of the story.
func (n *narrator) chapter(text string) {
	n.Line("\n%s\n", n.Bold(text))
}
