package proxy_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

// of are the types of the events about one workload, in order.
func (w *world) of(workload string) []string {
	var types []string
	for _, e := range w.events() {
		if e.data.Workload == workload {
			types = append(types, e.typ)
		}
	}
	return types
}

func (w *world) hears(workload string, types ...string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return slices.Equal(types, w.of(workload)) }, 10*time.Second, 5*time.Millisecond,
		"%s: want %v, have %v", workload, types, w.of(workload))
}

func (w *world) reload(workloads ...proxy.Workload) {
	w.t.Helper()
	next := w.cfg
	next.Workloads = workloads
	require.NoError(w.t, w.proxy.Reload(next))
}

func (w *world) restart(workloads ...proxy.Workload) {
	w.t.Helper()
	w.stop()
	w.cfg.Workloads = workloads
	w.start()
}

func (w *world) left() string {
	text, err := os.ReadFile(filepath.Join(w.dir, "data", "proxy", "workloads.json"))
	require.NoError(w.t, err)
	return string(text)
}

func TestAWorkloadThatLeavesTheConfigurationIsRetiredOnceAndComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newRemote(t, goodToken).URL)
	github := w.cfg.Workloads[0]
	gitlab := github
	gitlab.Name = "gitlab"
	w.hears("github", "auth.loaded")
	w.reload(gitlab) // renamed
	w.hears("gitlab", "auth.loaded")
	w.hears("github", "auth.loaded", "auth.retired")
	w.reload(gitlab)
	changed := gitlab
	changed.UnauthorizedAfter = 2
	w.reload(changed) // the same workload
	w.hears("gitlab", "auth.loaded", "auth.loaded")
	w.reload(github)
	w.hears("gitlab", "auth.loaded", "auth.loaded", "auth.retired")
	w.hears("github", "auth.loaded", "auth.retired", "auth.loaded")
	require.Eventually(t, func() bool { return w.left() == "[\"github\"]\n" }, 5*time.Second, 5*time.Millisecond)
}

func TestAStartWithAnotherListRetiresWhatLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newRemote(t, goodToken).URL)
	github := w.cfg.Workloads[0]
	gitlab := github
	gitlab.Name = "gitlab"
	w.hears("github", "auth.loaded")
	w.restart(gitlab)
	w.hears("github", "auth.loaded", "auth.retired")
	w.restart(gitlab)
	w.hears("gitlab", "auth.loaded", "auth.loaded")
	w.hears("github", "auth.loaded", "auth.retired")
}

func TestAStopAndAStartWithTheSameListRetireNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newRemote(t, goodToken).URL)
	w.hears("github", "auth.loaded")
	w.restart(w.cfg.Workloads...)
	w.hears("github", "auth.loaded", "auth.loaded")
}

func TestAWorkloadThatLeavesWhileTheBrokerIsAwayIsRetiredLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newRemote(t, goodToken).URL)
	w.hears("github", "auth.loaded")
	w.nats.Stop()
	w.reload()
	w.stop()
	require.Equal(t, "[\"github\"]\n", w.left(), "until the bus has it")
	w.nats.Restart()
	w.restart()
	require.Eventually(t, func() bool {
		types := w.of("github")
		return len(types) > 1 && types[1] == "auth.retired" && w.left() == "[]\n"
	}, 20*time.Second, 10*time.Millisecond)
}

func TestAWorkloadWhoseClientsBringCredentialsIsReportedOnNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newRemote(t, goodToken).URL)
	w.hears("github", "auth.loaded")
	passed := w.cfg.Workloads[0]
	passed.Credential, passed.ClientAuthorization, passed.Settle = credential.Config{}, proxy.Passthrough, nil
	w.reload(passed)
	w.hears("github", "auth.loaded", "auth.retired")
	all := w.events()
	require.Equal(t, "its clients send credentials of their own now", all[len(all)-1].data.Detail)
}

func TestAListThatCannotBeReadKeepsNoProxyFromStarting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newRemote(t, goodToken).URL, func(w *world) {
		dir := filepath.Join(w.dir, "data", "proxy")
		require.NoError(t, os.MkdirAll(dir, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "workloads.json"), []byte("{half"), 0o600))
		w.nats = natstest.Run(t)
	})
	w.hears("github", "auth.loaded")
	require.Equal(t, "[\"github\"]\n", w.left())
}
