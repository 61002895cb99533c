//go:build peer

package receiver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

func TestARealAlertmanagerShowsTheAlertAndItsEnd(t *testing.T) {
	t.Parallel()
	url := startAlertmanager(t)
	now := time.Now().UTC().Truncate(time.Millisecond)
	c := Config{Name: "am", Alertmanager: &Alertmanager{URL: secret(url)}}
	r, err := New(c, Options{})
	require.NoError(t, err)
	say := func(m Message) {
		t.Helper()
		require.NoError(t, Templates{}.Render(&m))
		a := r.Send(t.Context(), m)
		require.Equal(t, plan.Delivered, a.Outcome, a.Error)
	}
	m := samples(now.Add(-time.Minute))[0]
	say(m)
	say(m) // again, as after a crash
	alerts := firing(t, url)
	require.Len(t, alerts, 1)
	require.Equal(t, "github", alerts[0].Labels["workload"])
	require.Equal(t, "platform", alerts[0].Labels["team"])
	require.Contains(t, alerts[0].Annotations["description"], "Put a new token there")
	require.True(t, alerts[0].StartsAt.Equal(now.Add(-time.Minute)))

	end := samples(now.Add(-6 * time.Minute))[3]
	end.Workloads[0].LastIncident.Opened = now.Add(-time.Minute)
	end.Workloads[0].LastIncident.Closed = now
	say(end)
	require.Empty(t, firing(t, url))
}

// firing are the active alerts of an Alertmanager.
func firing(t *testing.T, url string) []promAlert {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v2/alerts?active=true", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var alerts []promAlert
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&alerts))
	return alerts
}

// startAlertmanager runs Debian's package.
func startAlertmanager(t *testing.T) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus-alertmanager")
	require.NoError(t, err, "apt-get install prometheus-alertmanager")
	address := natstest.FreeAddress(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yml")
	require.NoError(t, os.WriteFile(file, []byte("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, binary, "--config.file="+file, "--storage.path="+dir,
		"--web.listen-address="+address, "--cluster.listen-address=", "--log.level=error")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	url := "http://" + address
	require.Eventually(t, func() bool {
		resp, err := http.Get(fmt.Sprintf("%s/-/ready", url))
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 20*time.Second, 50*time.Millisecond)
	return url
}
