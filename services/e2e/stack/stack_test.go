//go:build stack

package stack

import (
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

var services = []string{"nats", "proxy", "status", "notifier"}

// alert is one message that the webhook got.
type alert struct {
	ID   string `json:"id"`
	Body struct {
		ID   string       `json:"id"`
		Type string       `json:"type"`
		Data events.Alert `json:"data"`
	} `json:"body"`
}

// told is what the webhook was told, by type.
func (p *project) told() map[string][]alert {
	p.t.Helper()
	byType := map[string][]alert{}
	for _, a := range get[[]alert](p.t, "http://"+p.demo+"/messages") {
		byType[a.Body.Type] = append(byType[a.Body.Type], a)
	}
	return byType
}

func (p *project) awaitTold(typ string, count int) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return len(p.told()[typ]) >= count },
		time.Minute, 100*time.Millisecond, "%s does not arrive", typ)
}

// toldOnce looks that each incident was told once, and its end once.
func (p *project) toldOnce(incidents int) {
	p.t.Helper()
	told := p.told()
	require.Len(p.t, told, 2)
	ids, opened := map[string]bool{}, map[string]bool{}
	for typ, alerts := range told {
		require.Len(p.t, alerts, incidents, typ)
		for _, a := range alerts {
			ids[a.ID] = true
			if typ == events.TypeAlertOpened {
				opened[a.Body.Data.Workloads[0].Incident] = true
			}
		}
	}
	require.Len(p.t, ids, 2*incidents)
	require.Len(p.t, opened, incidents)
}

func (p *project) record() events.Record {
	p.t.Helper()
	return get[events.Record](p.t, "http://"+p.status+"/api/v1/workloads/weather")
}

// deaths counts the transitions to unauthenticated.
func (p *project) deaths() int {
	p.t.Helper()
	history := get[struct{ Transitions []events.Record }](p.t, "http://"+p.status+"/api/v1/workloads/weather/history")
	n := 0
	for _, r := range history.Transitions {
		if r.Status == events.StatusUnauthenticated {
			n++
		}
	}
	return n
}

// incident lets the token die, does something to the stack, and repairs it. A
// third one within ten minutes would be damped as flapping: each project has two.
func (p *project) incident(meanwhile func()) {
	p.t.Helper()
	p.incidents++
	p.tell("revoke")
	body := p.calls(http.StatusServiceUnavailable)
	require.Contains(p.t, body, `"code":4011`)
	require.Contains(p.t, body, `"id":7`)
	meanwhile()
	p.awaitTold(events.TypeAlertOpened, p.incidents)
	p.tell("issue")
	p.calls(http.StatusOK)
	p.awaitTold(events.TypeAlertResolved, p.incidents)
	p.toldOnce(p.incidents)
}

func TestAContainerThatStopsInAnIncidentLosesNothing(t *testing.T) { //nolint:paralleltest // all use one engine, and its images
	for _, service := range services {
		t.Run(service, func(t *testing.T) {
			p := newProject(t, demoVariables(t)...)
			p.up(append(services, "demo")...)
			p.calls(http.StatusOK)
			p.incident(func() { p.do("restart", service) })
			p.healthy(service)
			p.incident(func() { p.do("kill", "-s", "SIGKILL", service); p.do("up", "--detach") })
			p.healthy(service)
			p.toldOnce(2)
			require.Equal(t, 2, p.deaths())
			require.Equal(t, 2, int(p.record().Incidents))
		})
	}
}

func TestAPasswordIsReplacedWhileEverythingRuns(t *testing.T) { //nolint:paralleltest // all use one engine, and its images
	p := newProject(t, demoVariables(t)...)
	p.up(append(services, "demo")...)
	for _, user := range []string{"proxy", "status", "notifier"} {
		old := p.do("run", "--rm", "setup", "show", user)
		p.do("run", "--rm", "setup", "renew", user)
		require.NotEqual(t, old, p.do("run", "--rm", "setup", "show", user))
		p.do("kill", "-s", "SIGHUP", "nats")
		require.Eventually(t, func() bool {
			nc, err := nats.Connect("nats://"+p.nats, nats.UserInfo(user, old))
			if err == nil {
				nc.Close()
			}
			return err != nil
		}, 10*time.Second, 100*time.Millisecond, "the old password of %s still works", user)
	}
	p.incident(func() {})
}

// The parts build on one another: each goes on with the stack as the one before
// left it.
func TestTheStackAsItShips(t *testing.T) { //nolint:paralleltest // all use one engine, and its images
	p := newProject(t, demoVariables(t)...)
	p.up(append(services, "demo")...)

	// part runs a part as a test of its own.
	part := func(name string, f func(p *project)) {
		t.Helper()
		ok := t.Run(name, func(t *testing.T) {
			p.t = t
			f(p)
		})
		p.t = t
		require.True(t, ok, name)
	}

	part("a dead token reaches the webhook, and so does the recovery", func(p *project) {
		status, body := p.call()
		require.Equal(p.t, http.StatusOK, status, body)
		require.Contains(p.t, body, "Lisbon")
		p.incident(func() {})
		opened := p.told()[events.TypeAlertOpened][0]
		require.Equal(p.t, opened.ID, opened.Body.ID)
		require.Equal(p.t, "invalid_token", opened.Body.Data.Workloads[0].Reason)
		require.Equal(p.t, events.StatusRunning, p.record().Status)
		require.Equal(p.t, 1, p.deaths())
		require.Contains(p.t, p.do("run", "--rm", "cli", "list"), "running")
	})

	part("a client without the proxy's token gets nowhere", func(p *project) {
		right := p.token
		defer func() { p.token = right }()
		p.token = "wrong"
		status, _ := p.call()
		require.Equal(p.t, http.StatusUnauthorized, status)
	})

	// The demo forgets what it was told, and starts with another token.
	part("taken down and started again it knows what it knew, and goes on", func(p *project) {
		p.do("down", "--timeout", "20")
		p.up(append(services, "demo")...)
		p.calls(http.StatusOK)
		require.Equal(p.t, 1, int(p.record().Incidents))
		p.incidents = 0
		p.incident(func() {})
		require.Equal(p.t, 2, p.deaths())
	})

	part("the services were denied nothing", func(p *project) {
		for _, service := range services {
			p.wasDeniedNothing(service)
		}
	})

	part("nobody logs in with a wrong password, or with none", func(p *project) {
		for _, login := range []nats.Option{
			nats.UserInfo("proxy", "wrong"), nats.UserInfo("admin", ""), nats.UserInfo("nobody", "x"), nats.Name("anonymous"),
		} {
			_, err := nats.Connect("nats://"+p.nats, login)
			require.ErrorIs(p.t, err, nats.ErrAuthorization)
		}
	})

	part("each user of the broker may do what it must and no more", func(p *project) {
		checkUsers(p.t, "nats://"+p.nats, func(user string) string { return p.do("run", "--rm", "setup", "show", user) })
	})

	part("a subscriber reads everything from the beginning", func(p *project) {
		s := login(p.t, "nats://"+p.nats, "subscriber", p.do("run", "--rm", "setup", "show", "subscriber"))
		messages, err := replay(s.Conn, "STATUS", "status.changed.weather")
		require.NoError(p.t, err)
		deaths := 0
		for _, m := range messages {
			e, err := events.Unmarshal(m.Header, m.Data)
			require.NoError(p.t, err)
			r, err := events.ParseStatus(e)
			require.NoError(p.t, err)
			if r.Status == events.StatusUnauthenticated {
				deaths++
			}
		}
		require.Equal(p.t, 2, deaths)
	})

	part("the containers are as closed as they can be", func(p *project) {
		for _, service := range append(services, "demo") {
			p.isClosed(service)
		}
	})
}

func TestTheStackStartsWithTheConfigurationToEdit(t *testing.T) { //nolint:paralleltest // all use one engine, and its images
	p := newProject(t)
	p.up(services...)
	out, err := p.command(t.Context(), "run", "--rm", "cli", "list").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Regexp(t, `github +missing`, string(out))
	demo := output(t, exec.Command("docker", "ps", "--quiet", "--filter", "label=com.docker.compose.service=demo"))
	require.Empty(t, demo, "the demo is not part of it")
}
