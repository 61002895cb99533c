package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
)

// A system is authwatch as it runs: one process or several.
type system interface {
	start(t *testing.T)
	kill() // as a power cut does
	output() string
}

func TestOneDeathIsToldOnceByOneProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &oneProcess{world: w, file: w.configure(t, `nats: {listen: "`+w.nats+`"}`)}
	tellOneDeath(t, w, s)
}

func TestOneDeathIsToldOnceByThreeServicesAndABroker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &threeProcesses{world: w, file: w.configure(t, w.broker(t))}
	provision(t, s.file)
	tellOneDeath(t, w, s)
}

// tellOneDeath is the whole path once: a token dies under load, the process is
// killed meanwhile, and a new token heals.
func tellOneDeath(t *testing.T, w *world, s system) {
	t.Helper()
	s.start(t)
	client := weather.NewClient(w.endpoint())
	defer client.Close()
	w.awaitCall(t, client)
	w.awaitStatus(t, events.StatusRunning)
	require.Empty(t, w.webhook.kinds())

	w.upstream.Accept("")
	_, err := client.Call(t.Context())
	require.Error(t, err)
	dead := w.awaitStatus(t, events.StatusUnauthenticated)
	require.Contains(t, dead.Message, w.tokenFile, "the message says where the new token goes")
	require.Equal(t, "invalid_token", dead.Reason)
	eventually(t, "the alert", func() bool { return len(w.webhook.kinds()) == 1 })

	before := w.upstream.Rejected()
	w.storm(t, 50, 500)
	require.GreaterOrEqual(t, w.upstream.Rejected()-before, 500, "the storm reached the upstream")

	s.kill()
	s.start(t)
	again := w.awaitStatus(t, events.StatusUnauthenticated)
	require.Equal(t, dead.Incident, again.Incident)
	require.True(t, dead.Since.Equal(again.Since), "since %s and %s", dead.Since, again.Since)

	w.upstream.Accept(secondToken)
	write(t, w.tokenFile, secondToken+"\n")
	w.awaitCall(t, client)
	healed := w.awaitStatus(t, events.StatusRunning)
	require.Equal(t, dead.Incident, healed.LastIncident.ID)
	eventually(t, "the resolution", func() bool { return len(w.webhook.kinds()) > 1 })

	// Whatever the storm or the restart had added stands before these in their
	// streams: now it would have arrived.
	require.Equal(t, []string{events.KindOpened, events.KindResolved}, w.webhook.kinds())
	require.Equal(t, 2, w.webhook.called())
	require.Equal(t, 1, w.count(t, "AUTH", events.TypeUnauthorized))
	require.Equal(t, 2, w.count(t, "AUTH", events.TypeAuthorized), "the first token, and the second")
	require.Equal(t, []events.Status{
		events.StatusUnverified, events.StatusRunning, events.StatusUnauthenticated,
		events.StatusUnverified, events.StatusRunning,
	}, w.transitions(t))

	texts := w.texts(t)
	texts["output"] = s.output()
	w.leaks(t, texts)
}

type oneProcess struct {
	*world
	file string
	p    *process
	past string
}

func (s *oneProcess) start(t *testing.T) {
	t.Helper()
	s.p = start(t, "authwatch", "run", "-c", s.file)
	for _, address := range []string{s.proxyAdmin, s.statusAdmin, s.notifierAdmin} {
		s.p.ready(t, address)
	}
}

func (s *oneProcess) kill() {
	s.p.kill()
	s.past += s.output()
}

func (s *oneProcess) output() string { return s.past + s.p.stdout.String() + s.p.stderr.String() }

type threeProcesses struct {
	*world
	file                    string
	proxy, status, notifier *process
	past                    string
}

func (s *threeProcesses) start(t *testing.T) {
	t.Helper()
	s.proxy = start(t, "proxy", "-c", s.file)
	s.status = start(t, "status", "-c", s.file)
	s.notifier = start(t, "notifier", "-c", s.file)
	s.proxy.ready(t, s.proxyAdmin)
	s.status.ready(t, s.statusAdmin)
	s.notifier.ready(t, s.notifierAdmin)
}

func (s *threeProcesses) kill() {
	for _, p := range []*process{s.proxy, s.status, s.notifier} {
		p.kill()
	}
	s.past += s.output()
}

func (s *threeProcesses) output() string {
	text := s.past
	for _, p := range []*process{s.proxy, s.status, s.notifier} {
		text += p.stdout.String() + p.stderr.String()
	}
	return text
}
