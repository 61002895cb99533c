//go:build stack

package stack

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

const (
	projectName = "authwatch-stack-test"
	natsImage   = "nats:2.15.2-alpine"
)

// project is the unmodified docker-compose.yml, alone or with what COMPOSE_FILE names, with ports and a name of its own.
type project struct {
	t       *testing.T
	environ []string
	compose []string // the command: docker compose, or the older docker-compose

	proxy, status, demo, nats     string // host:port
	proxy2, status2, nats2, nats3 string // of the cluster
	token                         string // of a client of the proxy
	incidents                     int    // so far
}

// newProject is gone, volumes and all, when the test ends. variables are those
// of an env file.
func newProject(t *testing.T, variables ...string) *project {
	t.Helper()
	p := &project{
		t: t, compose: []string{"docker", "compose"},
		proxy: natstest.FreeAddress(t), status: natstest.FreeAddress(t), demo: natstest.FreeAddress(t), nats: natstest.FreeAddress(t),
		proxy2: natstest.FreeAddress(t), status2: natstest.FreeAddress(t), nats2: natstest.FreeAddress(t), nats3: natstest.FreeAddress(t),
	}
	if exec.Command("docker", "compose", "version").Run() != nil {
		p.compose = []string{"docker-compose"}
	}
	p.environ = append(os.Environ(), "COMPOSE_PROJECT_NAME="+projectName, "VERSION=stack-test",
		"PROXY_PORT="+port(p.proxy), "STATUS_PORT="+port(p.status), "DEMO_PORT="+port(p.demo), "NATS_PORT="+port(p.nats),
		"PROXY2_PORT="+port(p.proxy2), "STATUS2_PORT="+port(p.status2), "NATS2_PORT="+port(p.nats2), "NATS3_PORT="+port(p.nats3))
	p.environ = append(p.environ, variables...)
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := p.command(context.WithoutCancel(t.Context()), "logs", "--no-color", "--tail", "60").CombinedOutput()
			t.Logf("%s", logs)
		}
		p.gone()
	})
	p.gone() // what a run left that was killed
	return p
}

func (p *project) gone() {
	p.t.Helper()
	out, err := p.command(context.WithoutCancel(p.t.Context()), "down", "--volumes", "--remove-orphans", "--timeout", "5").CombinedOutput()
	require.NoError(p.t, err, string(out))
}

// demoVariables are those of deploy/stack/demo.env.
func demoVariables(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(root + "/deploy/stack/demo.env")
	require.NoError(t, err)
	var variables []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			variables = append(variables, line)
		}
	}
	return variables
}

func (p *project) command(ctx context.Context, args ...string) *exec.Cmd {
	command := append(append([]string{}, p.compose...), args...)
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Dir, c.Env = root, p.environ
	return c
}

// do runs a command of compose and returns its standard output.
func (p *project) do(args ...string) string {
	p.t.Helper()
	return output(p.t, p.command(p.t.Context(), args...))
}

// docker is the engine's own command, which takes a tenth of the time.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, exec.CommandContext(t.Context(), "docker", args...))
}

// id is the container of a service.
func (p *project) id(service string) string {
	p.t.Helper()
	id := docker(p.t, "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project="+projectName,
		"--filter", "label=com.docker.compose.service="+service, "--filter", "label=com.docker.compose.oneoff=False")
	require.NotEmpty(p.t, id, service)
	return id
}

func output(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	var errors strings.Builder
	c.Stderr = &errors
	out, err := c.Output()
	require.NoError(t, err, "%s\n%s%s", strings.Join(c.Args, " "), out, errors.String())
	return strings.TrimSpace(string(out))
}

// up starts everything and waits until it is healthy.
func (p *project) up(services ...string) {
	p.t.Helper()
	p.do("up", "--detach", "--build")
	p.healthy(services...)
	p.token = p.do("run", "--rm", "setup", "show", "clients")
}

func (p *project) healthy(services ...string) {
	p.t.Helper()
	for _, service := range services {
		id := p.id(service)
		require.Eventually(p.t, func() bool {
			out, err := exec.Command("docker", "inspect", "--format", "{{.State.Health.Status}}", id).Output()
			return err == nil && strings.TrimSpace(string(out)) == "healthy"
		}, 2*time.Minute, 200*time.Millisecond, "%s does not become healthy", service)
	}
}

// container is what the engine runs, as far as it is looked at.
type container struct {
	Config struct {
		User string
		Env  []string
	}
	HostConfig struct {
		ReadonlyRootfs bool
		Privileged     bool
		CapAdd         []string
		CapDrop        []string
		SecurityOpt    []string
		Memory         int64
		PidsLimit      int64
		RestartPolicy  struct{ Name string }
		PortBindings   map[string][]struct{ HostIP string }
	}
}

func (p *project) inspect(service string) container {
	p.t.Helper()
	var c []container
	require.NoError(p.t, json.Unmarshal([]byte(docker(p.t, "inspect", p.id(service))), &c))
	require.Len(p.t, c, 1)
	return c[0]
}

// isClosed looks that a container can do no more than it must.
func (p *project) isClosed(service string) {
	p.t.Helper()
	c := p.inspect(service)
	require.True(p.t, c.HostConfig.ReadonlyRootfs, service)
	require.False(p.t, c.HostConfig.Privileged, service)
	require.Empty(p.t, c.HostConfig.CapAdd, service)
	require.Equal(p.t, []string{"ALL"}, c.HostConfig.CapDrop, service)
	require.Contains(p.t, c.HostConfig.SecurityOpt, "no-new-privileges:true", service)
	require.Regexp(p.t, `^1000\d:1000\d$`, c.Config.User, service)
	require.Positive(p.t, c.HostConfig.Memory, service)
	require.Positive(p.t, c.HostConfig.PidsLimit, service)
	require.Equal(p.t, "unless-stopped", c.HostConfig.RestartPolicy.Name, service)
	for port, bindings := range c.HostConfig.PortBindings {
		require.Equal(p.t, "127.0.0.1", bindings[0].HostIP, "%s %s", service, port)
	}
	for _, variable := range c.Config.Env {
		require.NotRegexp(p.t, `(?i)password|token|secret`, variable, service)
	}
}

func (p *project) wasDeniedNothing(service string) {
	p.t.Helper()
	out, err := exec.CommandContext(p.t.Context(), "docker", "logs", p.id(service)).CombinedOutput()
	require.NoError(p.t, err, service)
	for line := range strings.Lines(string(out)) {
		require.NotRegexp(p.t, `(?i)violation|denied`, line)
	}
}

const toolCall = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_forecast","arguments":{"city":"Lisbon"}}}`

// call calls the demo's tool as a client of the proxy does; 0: no answer.
func (p *project) call() (status int, body string) { return p.callAt(p.proxy, "weather") }

func (p *project) callAt(proxy, workload string) (status int, body string) {
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+proxy+"/"+workload, strings.NewReader(toolCall))
	require.NoError(p.t, err)
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	return send(req)
}

func send(req *http.Request) (status int, body string) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// calls calls until the answer has a status.
func (p *project) calls(status int) (body string) {
	p.t.Helper()
	last := 0
	require.Eventually(p.t, func() bool {
		last, body = p.call()
		return last == status
	}, time.Minute, 100*time.Millisecond, "the proxy does not answer %d", status)
	return body
}

// tell asks the demo to do something.
func (p *project) tell(command string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.demo+"/"+command, http.NoBody)
	require.NoError(p.t, err)
	status, body := send(req)
	require.Equal(p.t, http.StatusOK, status, body)
}

func get[T any](t *testing.T, url string) T {
	t.Helper()
	var v T
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	status, body := send(req)
	require.Equal(t, http.StatusOK, status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &v), body)
	return v
}
