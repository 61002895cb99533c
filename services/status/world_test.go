package status

import (
	"fmt"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"pgregory.net/rapid"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// world is one workload as it really is, and two proxies that see it: a token
// file that people change, an upstream that revokes tokens, proxies that start,
// read, forward, and publish as the proxy service does, each by its own clock and
// each cut off from the broker at times.
type world struct {
	name    string
	file    string // its token; empty: no file
	revoked map[string]bool
	proxies [2]*proxy
	events  int
}

type proxy struct {
	source string
	skew   time.Duration
	held   string
	loaded time.Time
	judged string // the type of the last verdict on what is held
	count  int64
	queue  []event.Event
	told   []toldEvent
}

type toldEvent struct {
	event event.Event
	at    time.Time
}

func newWorld(name string, skews [2]time.Duration) *world {
	w := &world{name: name, revoked: make(map[string]bool)}
	for i := range w.proxies {
		w.proxies[i] = &proxy{source: fmt.Sprintf("urn:authwatch:proxy:%c", 'a'+i), skew: skews[i]}
	}
	return w
}

func (w *world) say(p *proxy, now time.Time, typ string) {
	o := events.Observation{Workload: w.name, Credential: &events.Credential{Source: "file /run/secrets/" + w.name}}
	if p.held != "" {
		at := p.loaded.Add(p.skew)
		o.Credential.Fingerprint, o.Credential.LoadedAt = p.held, &at
	}
	if typ == events.TypeUnauthorized {
		o.Rejections = p.count
		o.Response = &events.Response{Status: 401, Challenge: &events.Challenge{Scheme: "Bearer", Error: "invalid_token"}}
	}
	if typ == events.TypeMissing {
		o.Problem = events.ProblemNotFound
	}
	w.events++
	e, err := events.New(typ, p.source, w.name, now.Add(p.skew), o)
	if err != nil {
		panic(err)
	}
	e.SetID(fmt.Sprintf("%s-%d", w.name, w.events))
	p.queue = append(p.queue, e)
}

// read is the proxy looking at the file. An absent file is a problem only for
// one that holds nothing.
func (w *world) read(p *proxy, now time.Time) {
	switch {
	case w.file == "" && p.held == "" && p.judged != events.TypeMissing:
		p.judged = events.TypeMissing
		w.say(p, now, events.TypeMissing)
	case w.file != "" && w.file != p.held:
		p.held, p.loaded, p.judged, p.count = w.file, now, "", 0
		w.say(p, now, events.TypeLoaded)
	}
}

func (w *world) restart(p *proxy, now time.Time) {
	p.held, p.judged, p.count = "", "", 0
	w.read(p, now)
}

// request is a client's; only edges are published.
func (w *world) request(p *proxy, now time.Time) {
	if p.held == "" {
		return
	}
	verdict := events.TypeAuthorized
	if w.revoked[p.held] {
		before := p.held
		if w.read(p, now); p.held != before {
			return
		}
		verdict = events.TypeUnauthorized
		p.count++
	} else {
		p.count = 0
	}
	if p.judged != verdict {
		p.judged = verdict
		w.say(p, now, verdict)
	}
}

func (w *world) reassert(p *proxy, now time.Time) {
	if p.held != "" && p.judged == events.TypeUnauthorized {
		w.say(p, now, events.TypeUnauthorized)
	}
}

func (w *world) publish(p *proxy, tp *tape) {
	if len(p.queue) == 0 {
		return
	}
	e := p.queue[0]
	p.queue = p.queue[1:]
	p.told = append(p.told, toldEvent{e, tp.now})
	tp.observe(e)
}

// repeat publishes an event once more, after the stream has forgotten its id.
func (w *world) repeat(t *rapid.T, p *proxy, tp *tape) {
	if len(p.told) == 0 {
		return
	}
	i := rapid.IntRange(0, len(p.told)-1).Draw(t, "which")
	if tp.now.Sub(p.told[i].at) < bus.DedupWindow {
		return
	}
	p.told[i].at = tp.now
	tp.observe(p.told[i].event)
}

// tokens of a workload; the file may go back to an old one.
var tokens = []string{"t1", "t2", "t3"}

// step lets one thing happen.
func (w *world) step(t *rapid.T, tp *tape) {
	p := w.proxies[rapid.IntRange(0, 1).Draw(t, "proxy")]
	switch rapid.IntRange(0, 13).Draw(t, "what") {
	case 0:
		w.file = rapid.SampledFrom(tokens).Draw(t, "token")
	case 1:
		w.file = ""
	case 2:
		w.revoked[rapid.SampledFrom(tokens).Draw(t, "token")] = true
	case 3:
		delete(w.revoked, rapid.SampledFrom(tokens).Draw(t, "token"))
	case 4:
		w.restart(p, tp.now)
	case 5, 6:
		w.read(p, tp.now)
	case 7, 8:
		w.request(p, tp.now)
	case 9:
		w.reassert(p, tp.now)
	case 10, 11, 12:
		w.publish(p, tp)
	case 13:
		w.repeat(t, p, tp)
	}
}

// begin lets both proxies load the first token and say so at once.
func (w *world) begin(tp *tape) {
	w.file = tokens[0]
	for _, p := range w.proxies {
		w.read(p, tp.now)
		w.publish(p, tp)
	}
}

// settle lets every proxy see how things are, and say so.
func (w *world) settle(t *rapid.T, tp *tape) {
	w.file = rapid.SampledFrom(tokens).Draw(t, "last token")
	for _, p := range w.proxies {
		tp.now = tp.now.Add(time.Second)
		w.read(p, tp.now)
		w.request(p, tp.now)
	}
	for len(w.proxies[0].queue)+len(w.proxies[1].queue) > 0 {
		tp.now = tp.now.Add(time.Millisecond)
		w.publish(w.proxies[rapid.IntRange(0, 1).Draw(t, "proxy")], tp)
	}
}

// settleCutOff lets one proxy see a new token and say so. The other one has been
// cut off: what it still had to say of former tokens arrives after that.
func (w *world) settleCutOff(t *rapid.T, tp *tape) {
	w.file = "t9"
	first := rapid.IntRange(0, 1).Draw(t, "first")
	for i, p := range []*proxy{w.proxies[first], w.proxies[1-first]} {
		tp.now = tp.now.Add(drawPause(t) + time.Second)
		if i == 0 {
			w.read(p, tp.now)
			w.request(p, tp.now)
		}
		for len(p.queue) > 0 {
			tp.now = tp.now.Add(time.Millisecond)
			w.publish(p, tp)
		}
	}
}

// truth is what a record must say in the end.
func (w *world) truth() (status events.Status, fingerprint, reason string) {
	if w.revoked[w.file] {
		return events.StatusUnauthenticated, w.file, "invalid_token"
	}
	return events.StatusRunning, w.file, ""
}
