//go:build monitoring

package e2e_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// prometheus is a real one with the shipped configuration, but for the targets
// and for scraping every second.
type prometheus struct{ address string }

func startPrometheus(t *testing.T, w *world) prometheus {
	t.Helper()
	dir := filepath.Join(w.dir, "prometheus")
	require.NoError(t, os.Mkdir(dir, 0o700))
	for _, name := range []string{"prometheus.yml", "rules.yml"} {
		text, err := os.ReadFile(filepath.Join(root, "deploy/prometheus", name))
		require.NoError(t, err)
		changed := string(text)
		if name == "prometheus.yml" {
			changed = strings.NewReplacer("proxy:9080", w.proxyAdmin, "status:9081", w.statusAdmin, "notifier:9082", w.notifierAdmin,
				"_interval: 15s", "_interval: 1s").Replace(changed)
		}
		write(t, filepath.Join(dir, name), changed)
	}
	path, err := exec.LookPath("prometheus")
	require.NoError(t, err, "Debian's package prometheus has it")
	p := prometheus{natstest.FreeAddress(t)}
	start(t, path, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+p.address)
	return p
}

type reading struct {
	Metric map[string]string
	Value  [2]any
}

func (p prometheus) ask(t *testing.T, path string, into any) {
	t.Helper()
	resp, err := get(t.Context(), "http://"+p.address+path)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer := struct {
		Status   string
		Error    string
		Warnings []string
		Data     any
	}{Data: into}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	require.Equal(t, "success", answer.Status, "%s: %s", path, answer.Error)
	require.Empty(t, answer.Warnings, path)
}

func (p prometheus) query(t *testing.T, expr string) []reading {
	t.Helper()
	var data struct{ Result []reading }
	p.ask(t, "/api/v1/query?query="+url.QueryEscape(expr), &data)
	return data.Result
}

// true are the alerts whose expression holds now, with what it holds for.
func (p prometheus) true(t *testing.T) map[string][]reading {
	t.Helper()
	found := map[string][]reading{}
	for _, a := range alerts(t) {
		if r := p.query(t, a.Expr); len(r) > 0 {
			found[a.Alert] = r
		}
	}
	return found
}

// expect waits until exactly these alerts would come.
func (p prometheus) expect(t *testing.T, what string, names ...string) map[string][]reading {
	t.Helper()
	var found map[string][]reading
	require.Eventually(t, func() bool {
		found = p.true(t)
		return slices.Equal(names, slices.Sorted(maps.Keys(found)))
	}, patience, patience/100, what)
	return found
}

// states are those of the alerts that Prometheus itself evaluates.
func (p prometheus) states(t *testing.T) map[string]string {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError, State string }
		}
	}
	p.ask(t, "/api/v1/rules", &data)
	states := map[string]string{}
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			require.NotEqual(t, "err", r.Health, "%s: %s", r.Name, r.LastError)
			states[r.Name] = r.State
		}
	}
	return states
}

func TestAPrometheusSeesATokenDieAndAServiceEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &threeProcesses{world: w, file: w.configure(t, w.broker(t))}
	provision(t, s.file)
	s.start(t)
	p := startPrometheus(t, w)
	eventually(t, "Prometheus is ready", func() bool {
		resp, err := get(t.Context(), "http://"+p.address+"/-/ready")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	client := weather.NewClient(w.endpoint())
	defer client.Close()
	w.awaitCall(t, client)
	w.awaitStatus(t, events.StatusRunning)
	eventually(t, "all is scraped", func() bool { return len(p.query(t, `up == 1 and on () authwatch_workload_served_by == 1`)) == 3 })
	p.expect(t, "all is well, but that nothing ever reached the receiver", "AuthwatchReceiverUnproven")

	die := func() {
		w.upstream.Accept("")
		require.Equal(t, http.StatusServiceUnavailable, postCall(t.Context(), w.endpoint()))
	}
	die()
	found := p.expect(t, "the dead token, and the receiver was reached", "AuthwatchWorkloadUnauthenticated")
	dead := found["AuthwatchWorkloadUnauthenticated"]
	require.Len(t, dead, 1)
	require.Equal(t, map[string]string{"job": "authwatch-status", "workload": "github"}, dead[0].Metric)

	eventually(t, "Prometheus has evaluated all of them", func() bool { return p.states(t)["AuthwatchWorkloadUnauthenticated"] == "pending" })
	require.Len(t, p.states(t), len(alerts(t)))
	w.upstream.Accept(secondToken)
	write(t, w.tokenFile, secondToken+"\n")
	w.awaitCall(t, client)
	p.expect(t, "a new token heals")
	die()
	p.expect(t, "and dies", "AuthwatchWorkloadUnauthenticated")
	for where, expr := range expressions(t) {
		if strings.HasPrefix(where, "panel ") && !strings.Contains(expr, "ALERTS") && !strings.Contains(expr, "credential_expires") {
			eventually(t, where+" shows something", func() bool { return len(p.query(t, expr)) > 0 })
		}
	}

	s.notifier.stop(t)
	found = p.expect(t, "the notifier is gone", "AuthwatchDown", "AuthwatchServiceAbsent", "AuthwatchWorkloadUnauthenticated")
	require.Equal(t, "authwatch-notifier", found["AuthwatchDown"][0].Metric["job"])
	require.Equal(t, "notifier", found["AuthwatchServiceAbsent"][0].Metric["service"])
}

func TestComposeAcceptsTheContainersThatWatch(t *testing.T) {
	t.Parallel()
	found := 0
	for _, compose := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if exec.Command(compose[0], append(compose[1:], "version")...).Run() != nil {
			continue
		}
		found++
		c := exec.Command(compose[0], append(compose[1:], "-f", "docker-compose.yml", "-f", "deploy/compose.monitoring.yml", "config", "--quiet")...)
		c.Dir = root
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	require.NotZero(t, found, "Debian's package docker-compose has it")
}
