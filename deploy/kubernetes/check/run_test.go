package check

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the manifests say is run: each container's program with its arguments,
// variables and files, on addresses of the loopback network in the place of pods.
func TestWhatIsRenderedStartsAndBecomesReady(t *testing.T) {
	t.Parallel()
	n := &network{m: manifest(t, example(t).render()), bin: t.TempDir(), addrs: map[string]string{}}
	build(t, n.bin)
	base := fmt.Sprintf("127.%d.%d.", 16+rand.IntN(200), rand.IntN(256))
	for _, w := range n.m.Workloads() {
		for _, name := range names(&w) {
			n.addrs[name] = fmt.Sprintf("%s%d", base, len(n.addrs)+1)
		}
	}
	pods := n.all(t)
	for _, service := range []string{"nats", "proxy", "status", "notifier"} {
		for _, p := range pods[service] {
			p.start()
		}
		for _, p := range pods[service] {
			p.ready()
		}
	}

	// The file is right, and the token is there.
	proxy := pods["proxy"][0]
	check := exec.CommandContext(t.Context(), filepath.Join(n.bin, "authwatch"), "check",
		"-c", proxy.path(proxy.main(), "/etc/authwatch/authwatch.yaml"))
	check.Env = proxy.cmd.Env
	out, err := check.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "1 workload, 1 receiver, 1 route")

	// The names of the Service are known to the proxy, its clients are not yet.
	require.Equal(t, http.StatusUnauthorized, ask(t, proxy, "proxy.authwatch.svc:8080"))
	require.Equal(t, http.StatusForbidden, ask(t, proxy, "elsewhere:8080"))

	// Both proxies serve, and their credential is on record.
	var first record
	require.Eventually(t, func() bool {
		first = github(t, pods["status"][1])
		return first.ServedBy == 2 && first.Credential.Fingerprint != ""
	}, 30*time.Second, 50*time.Millisecond)
	require.Equal(t, "unverified", first.Status)

	// A Secret that is replaced is taken over.
	for _, p := range pods["proxy"] {
		project(t, p.path(p.main(), "/run/tokens"), map[string]string{"github": "another-token"})
	}
	require.Eventually(t, func() bool {
		is := github(t, pods["status"][0]).Credential.Fingerprint
		return is != "" && is != first.Credential.Fingerprint
	}, 30*time.Second, 50*time.Millisecond, "the replaced token is not read")

	for _, service := range []string{"notifier", "status", "proxy", "nats"} {
		for _, p := range pods[service] {
			p.stop()
		}
	}
}

// build makes the programs of the images.
func build(t *testing.T, bin string) {
	t.Helper()
	for dir, packages := range map[string]string{root + "/services": "./cmd/...", ".": "github.com/nats-io/nats-server/v2"} {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", bin+"/", packages)
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), "GOWORK=off")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

// ask is the answer to a client that comes with a host's name and no token.
func ask(t *testing.T, p *pod, host string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.addr+":8080/github", http.NoBody)
	require.NoError(t, err)
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

type record struct {
	Status     string `json:"status"`
	ServedBy   int    `json:"served_by"`
	Credential struct {
		Fingerprint string `json:"fingerprint"`
	} `json:"credential"`
}

// github is the record of the example's workload; empty: there is none.
func github(t *testing.T, p *pod) (r record) {
	t.Helper()
	resp, err := http.Get("http://" + p.addr + ":8081/api/v1/workloads/github")
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if resp.StatusCode == http.StatusOK {
		require.NoError(t, json.Unmarshal(text, &r))
	}
	return r
}
