package plan

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/authwatch/authwatch/events"
)

// world is a receiver, its queue and everything around them that can go wrong.
// Truth is a list of records; the queue sees them through a stream, and the
// receiver through messages.
type world struct {
	t      failer
	queue  *Queue
	policy Policy
	now    time.Time // the clock that the queue is shown
	real   time.Time // the clock that never jumps

	stream []events.Record // sequence is the index plus one
	truth  map[string]events.Record
	rows   map[string]Row        // stored
	cursor uint64                // stored
	last   map[string]message    // that the receiver heard, by workload
	ids    map[transition]string // by which it heard of each transition
	kinds  map[string]string     // of messages, by id
	talks  map[talk]bool         // whether a conversation holds a workload open
	mode   string                // of the receiver
	calmed time.Time             // real time since when nothing stands in the way
	opened map[string]time.Time
	ended  map[string]bool // how an incident closed: by the end of its workload
	jumped bool
	asked  time.Time // queue time before which the receiver must not be called
	crash  string    // where the next delivery loses power
}

type message struct {
	id, kind, workload, incident, thread string
	open                                 bool
	ordinal                              int64
}

// failer is a test that a world can fail.
type failer interface {
	require.TestingT
	Fatalf(format string, args ...any)
}

type (
	transition struct{ incident, kind string }
	talk       struct{ workload, thread string }
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, now: start, real: start, calmed: start, mode: "up",
		truth: map[string]events.Record{}, rows: map[string]Row{}, opened: map[string]time.Time{},
		last: map[string]message{}, ids: map[transition]string{}, kinds: map[string]string{}, talks: map[talk]bool{}, ended: map[string]bool{},
	}
	w.policy = Policy{Routed: true, SendResolved: rapid.Bool().Draw(t, "send_resolved")}
	if rapid.Bool().Draw(t, "grouped") {
		w.policy.Group, w.policy.Wait, w.policy.Gather = "f00d", time.Second, time.Minute
	}
	if rapid.Bool().Draw(t, "reminded") {
		w.policy.Repeat = 4 * time.Hour
	}
	w.boot()
	return w
}

// boot starts the queue from what is stored: the newest record of what the cursor
// has passed, and everything after it in order.
func (w *world) boot() {
	w.queue = NewQueue(Settings{Receiver: "ops"})
	for name, row := range w.rows {
		w.queue.Load(name, row)
	}
	last := map[string]uint64{}
	for i, rec := range w.stream[:w.cursor] {
		last[rec.Workload] = uint64(i + 1)
	}
	for _, seq := range slices.Sorted(maps.Values(last)) {
		w.queue.Observe(w.stream[seq-1], seq, w.policy, w.now)
	}
	for i, rec := range w.stream[w.cursor:] {
		w.queue.Observe(rec, w.cursor+uint64(i)+1, w.policy, w.now)
	}
	w.queue.Resume(w.now)
	w.calmed = later(w.calmed, w.real)
	if w.jumped { // a stored wait may start over
		w.calmed = later(w.calmed, w.real.Add(Probe+20*time.Minute))
	}
}

// change opens an incident, or closes the open one: the upstream accepts a token, or
// the workload is taken out of service. An incident that opens afterwards is of the
// workload in its old place again.
func (w *world) change(name string, retired bool) {
	rec := w.truth[name]
	rec.Workload, rec.Since = name, w.real
	if rec.Incident == "" {
		rec.Incidents++
		rec.Incident = fmt.Sprintf("%s-%d", name, rec.Incidents)
		rec.Previous, rec.Status, rec.Reason = events.StatusRunning, events.StatusUnauthenticated, "invalid_token"
		w.opened[name] = w.real
	} else {
		rec.LastIncident = &events.Incident{ID: rec.Incident, Opened: w.opened[name], Closed: w.real, Retired: retired}
		w.ended[rec.Incident] = retired
		rec.Incident, rec.Acknowledged = "", nil
		rec.Previous, rec.Status, rec.Reason = rec.Status, events.StatusRunning, ""
		if retired {
			rec.Status = events.StatusRetired
		}
		delete(w.opened, name)
	}
	w.record(rec)
}

// acknowledge is a person's word about the open incident, for a time or not.
func (w *world) acknowledge(name string, until time.Duration) {
	rec := w.truth[name]
	if rec.Incident == "" {
		return
	}
	rec.Acknowledged = &events.Acknowledgement{At: w.real}
	if until > 0 {
		end := w.now.Add(until)
		rec.Acknowledged.Until = &end
	}
	w.record(rec)
}

func (w *world) record(rec events.Record) {
	w.truth[rec.Workload] = rec
	w.stream = append(w.stream, rec)
	w.queue.Observe(rec, uint64(len(w.stream)), w.policy, w.now)
}

// work runs the queue until it waits, and returns for when.
func (w *world) work() time.Time {
	for {
		d, wake := w.queue.Next(w.now)
		parked := w.queue.Parked(math.MaxInt)
		if len(parked) > 0 && w.lost("parked") {
			continue
		}
		w.store(parked)
		if low, ok := w.queue.Low(); ok {
			w.cursor = low - 1
		} else {
			w.cursor = uint64(len(w.stream))
		}
		if d == nil {
			return wake
		}
		require.False(w.t, w.now.Before(w.asked), "called %s before the time that the receiver asked for", w.asked.Sub(w.now))
		w.store([]Write{w.queue.Intent(d, w.now)})
		if w.lost("intent") {
			continue
		}
		a := w.post(d)
		if w.lost("post") {
			continue
		}
		writes := w.queue.Done(d, a, w.now)
		if len(writes) > 1 && w.crash == "rows" {
			writes = writes[:len(writes)/2]
		}
		w.store(writes)
		if !w.lost("rows") {
			w.queue.Stored(d)
		}
	}
}

// lost reports whether the power went at that point.
func (w *world) lost(at string) bool {
	if w.crash != at {
		return false
	}
	w.crash = ""
	w.boot()
	return true
}

func (w *world) store(writes []Write) {
	for _, wr := range writes {
		if wr.Row.Empty() {
			delete(w.rows, wr.Workload)
			continue
		}
		w.rows[wr.Workload] = wr.Row
	}
}

func (w *world) post(d *Delivery) Result {
	if len(d.Members) == 0 {
		w.t.Fatalf("delivery %s says nothing", d.ID)
	}
	records := w.queue.Records(d)
	hear := func() {
		for i, m := range d.Members {
			w.believe(d.Kind, m, records[i])
			w.hear(message{d.ID, d.Kind, m.Workload, m.Incident, d.Thread, m.Open, m.Incidents})
		}
	}
	switch w.mode {
	case "down":
		return Result{Outcome: Retry, Status: 503}
	case "deaf":
		return Result{Outcome: Retry, Uncertain: true}
	case "slow": // takes the message, and answers too late
		hear()
		return Result{Outcome: Retry, Uncertain: true}
	case "busy":
		if w.crash != "post" { // else the answer is lost
			w.asked = w.now.Add(20 * time.Minute)
		}
		return Result{Outcome: Retry, Status: 429, RetryAfter: 20 * time.Minute}
	case "picky":
		return Result{Outcome: Rejected, Status: 400}
	case "closed":
		return Result{Outcome: Refused, Status: 403}
	}
	hear()
	return Result{Outcome: Delivered, Status: 200}
}

// believe asserts that what a message shows of a workload is true.
func (w *world) believe(kind string, m Member, shown events.Record) {
	if m.Open {
		if kind == events.KindReminder {
			require.False(w.t, w.truth[m.Workload].Acknowledged.Holds(w.now), "a reminder of what is acknowledged")
		}
		return
	}
	require.Empty(w.t, shown.Incident)
	require.Equal(w.t, m.Incident, shown.LastIncident.ID)
	require.Equal(w.t, w.ended[m.Incident], shown.LastIncident.Retired, "how %s ended", m.Incident)
}

// pass lets time go by in the steps that the queue asks for.
func (w *world) pass(d time.Duration) {
	end := w.now.Add(d)
	for {
		wake := w.work()
		w.check()
		if wake.IsZero() || wake.After(end) {
			break
		}
		w.tick(max(wake.Sub(w.now), time.Millisecond))
	}
	w.tick(max(end.Sub(w.now), 0))
	w.work()
	w.check()
}

func (w *world) tick(d time.Duration) { w.now, w.real = w.now.Add(d), w.real.Add(d) }

func (w *world) jump(d time.Duration) {
	w.now, w.jumped = w.now.Add(d), true
	w.asked = earlier(w.asked, w.now) // a wall clock that jumps cannot keep it
	w.calmed = later(w.calmed, w.real)
}

// hear is the receiver taking a message in: it asserts what must hold of each.
func (w *world) hear(m message) {
	if m.kind == events.KindOpened || m.kind == events.KindResolved {
		key := transition{m.incident, m.kind}
		if id, ok := w.ids[key]; ok && id != m.id {
			w.t.Fatalf("%s of %s was told twice, as %s and %s", m.kind, m.incident, id, m.id)
		}
		w.ids[key] = m.id
	}
	if kind, ok := w.kinds[m.id]; ok && kind != m.kind {
		w.t.Fatalf("%s is the id of a message of kind %s and of one of kind %s", m.id, kind, m.kind)
	}
	w.kinds[m.id] = m.kind
	w.talks[talk{m.workload, m.thread}] = m.open
	before, seen := w.last[m.workload]
	switch {
	case !seen:
	case m.ordinal < before.ordinal:
		w.t.Fatalf("%s of %s was told after %s of %s", m.kind, m.incident, before.kind, before.incident)
	case m.incident == before.incident && m.open && !before.open:
		w.t.Fatalf("%s of %s was told after its end", m.kind, m.incident)
	}
	w.last[m.workload] = m
}

// check asserts that an open incident is told within its delay, counted
// from when the receiver was there for it.
func (w *world) check() {
	if w.mode != "up" {
		return
	}
	for name, opened := range w.opened {
		limit := 4*w.policy.Wait + backoffLast + settle
		if w.queue.entries[name].row.recent(w.now) > damped {
			limit += quiet
		}
		since := later(opened, w.calmed)
		if m := w.last[name]; w.real.Sub(since) > limit && (m.incident != w.truth[name].Incident || !m.open) {
			w.t.Fatalf("%s is open and has not been told %s after the receiver could hear it", name, w.real.Sub(since))
		}
	}
}

// settled lets everything heal and asserts that the receiver knows the truth.
func (w *world) settled() {
	w.mode, w.crash = "up", ""
	w.calmed = w.real.Add(Probe + 20*time.Minute)
	w.pass(2 * time.Hour)
	for name, rec := range w.truth {
		m, told := w.last[name]
		switch {
		case rec.Incident != "":
			require.True(w.t, told && m.open && m.incident == rec.Incident, "%s is open, the receiver thinks %+v", name, m)
		case w.policy.SendResolved:
			require.False(w.t, told && m.open, "%s is over, the receiver thinks %+v", name, m)
		}
		if rec.Incidents > 0 && !told {
			w.t.Fatalf("%s had %d incidents and nothing was told", name, rec.Incidents)
		}
	}
	if w.policy.SendResolved {
		for k, open := range w.talks {
			require.False(w.t, open && w.truth[k.workload].Incident == "", "%s stays open in a conversation for ever", k.workload)
		}
	}
	_, behind := w.queue.Low()
	require.False(w.t, behind)
	require.Empty(w.t, w.queue.retries)
	require.Empty(w.t, w.queue.Parked(math.MaxInt))
	for name, row := range w.rows {
		require.Nil(w.t, row.Pending, name)
	}
}

func (w *world) step(t *rapid.T) {
	names := []string{"a", "b", "c"}
	switch rapid.SampledFrom([]string{
		"change", "change", "change", "retire", "acknowledge", "work", "soon", "later", "receiver", "crash", "restart", "jump",
	}).Draw(t, "step") {
	case "change":
		w.change(rapid.SampledFrom(names).Draw(t, "workload"), false)
	case "retire":
		if name := rapid.SampledFrom(names).Draw(t, "workload"); w.truth[name].Incident != "" {
			w.change(name, true)
		}
	case "acknowledge":
		w.acknowledge(rapid.SampledFrom(names).Draw(t, "workload"), time.Duration(rapid.IntRange(0, 600).Draw(t, "minutes"))*time.Minute)
	case "work":
		w.work()
	case "soon":
		w.pass(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
	case "later":
		w.pass(time.Duration(rapid.IntRange(1, 400).Draw(t, "minutes")) * time.Minute)
	case "receiver":
		w.mode = rapid.SampledFrom([]string{"up", "up", "up", "down", "deaf", "slow", "busy", "picky", "closed"}).Draw(t, "mode")
		// Whatever it answered before may hold it back once more.
		w.calmed = w.real.Add(Probe + 20*time.Minute)
	case "crash":
		w.crash = rapid.SampledFrom([]string{"parked", "intent", "post", "rows"}).Draw(t, "at")
	case "restart":
		w.boot()
	case "jump":
		w.jump(time.Duration(rapid.IntRange(-7200, 7200).Draw(t, "seconds")) * time.Second)
	}
	w.check()
}

func TestWhateverHappensAReceiverIsToldTheTruthInOrderAndOnce(t *testing.T) {
	t.Parallel()
	rounds := 10
	if os.Getenv("SOAK") == "1" {
		rounds = 1000 // of rapid's 100 schedules each
	}
	for range rounds {
		rapid.Check(t, func(t *rapid.T) {
			w := newWorld(t)
			for range rapid.IntRange(1, 60).Draw(t, "steps") {
				w.step(t)
			}
			w.settled()
		})
	}
}
