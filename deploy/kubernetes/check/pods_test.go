package check

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// network gives each pod an address of the loopback network, and its name.
type network struct {
	m     *Manifest
	bin   string            // where the programs of the images are
	addrs map[string]string // by pod: "nats-0"
}

// hosts are the names in a configuration, as the cluster's DNS resolves them.
func (n *network) hosts(text, own string) string {
	text = strings.ReplaceAll(text, "0.0.0.0:", own+":")
	for pod, addr := range n.addrs {
		text = strings.ReplaceAll(text, "@"+pod+".nats-peers:", "@"+addr+":")
	}
	return strings.ReplaceAll(text, "//nats:", "//"+n.addrs["nats-0"]+":")
}

// pod is one of a workload's, with its files below dir.
type pod struct {
	t    *testing.T
	n    *network
	w    Workload
	name string
	addr string
	dir  string
	cmd  *exec.Cmd
	done chan error
}

func (n *network) pod(t *testing.T, w Workload, name string) *pod {
	t.Helper()
	return &pod{t: t, n: n, w: w, name: name, addr: n.addrs[name], dir: t.TempDir()}
}

// mount brings a volume where the container sees it, as the kubelet does: the
// files are links into a folder that is replaced as a whole.
func (p *pod) mount(c *corev1.Container) {
	p.t.Helper()
	volumes := map[string]corev1.Volume{}
	for _, v := range p.w.Pod.Spec.Volumes {
		volumes[v.Name] = v
	}
	for _, m := range c.VolumeMounts {
		at := p.path(c, m.MountPath)
		v, ok := volumes[m.Name]
		if !ok {
			require.Contains(p.t, p.w.Claims, m.Name)
			require.NoError(p.t, os.MkdirAll(at, 0o700))
			continue
		}
		content := files(p.n.m, v)
		for name, text := range content {
			content[name] = p.n.hosts(p.paths(c, text), p.addr)
		}
		project(p.t, at, content)
	}
}

// project writes the files of a volume, or puts others in their place.
func project(t *testing.T, at string, content map[string]string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(at, 0o700))
	before, err := os.ReadDir(at)
	require.NoError(t, err)
	version := filepath.Join(at, fmt.Sprintf("..v%d", len(before)))
	require.NoError(t, os.Mkdir(version, 0o700))
	for name, text := range content {
		require.NoError(t, os.WriteFile(filepath.Join(version, name), []byte(text), 0o600))
		if _, err := os.Lstat(filepath.Join(at, name)); err != nil {
			require.NoError(t, os.Symlink("..data/"+name, filepath.Join(at, name)))
		}
	}
	require.NoError(t, os.Symlink(filepath.Base(version), filepath.Join(at, "..new")))
	require.NoError(t, os.Rename(filepath.Join(at, "..new"), filepath.Join(at, "..data")))
}

// path is where a container's path is on this machine: each has its own.
func (p *pod) path(c *corev1.Container, path string) string {
	return filepath.Join(p.dir, c.Name, path)
}

// paths puts those of this machine in the place of the container's.
func (p *pod) paths(c *corev1.Container, text string) string {
	for _, m := range c.VolumeMounts {
		text = strings.ReplaceAll(text, " "+m.MountPath, " "+p.path(c, m.MountPath))
	}
	return text
}

// command is what the container runs, with its arguments and nothing but its variables.
func (p *pod) command(c *corev1.Container) *exec.Cmd {
	p.t.Helper()
	program := map[string]string{
		"nats": "nats-server", "authwatch": "authwatch", "authwatch-proxy": "proxy",
		"authwatch-status": "status", "authwatch-notifier": "notifier",
	}[imageName(c)]
	require.NotEmpty(p.t, program)
	if len(c.Command) > 0 {
		require.Equal(p.t, []string{program}, c.Command)
	}
	args := strings.Fields(p.paths(c, " "+strings.Join(c.Args, " ")))
	cmd := exec.CommandContext(p.t.Context(), filepath.Join(p.n.bin, program), args...)
	cmd.Env = []string{}
	for _, e := range c.Env {
		if e.ValueFrom != nil {
			require.Equal(p.t, "metadata.name", e.ValueFrom.FieldRef.FieldPath)
			e.Value = p.name
		}
		cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
	}
	cmd.Dir = p.dir
	return cmd
}

// start runs what the pod runs, and shows what it said when the test fails.
func (p *pod) start() {
	p.t.Helper()
	for _, c := range p.w.Pod.Spec.InitContainers {
		p.mount(&c)
		out, err := p.command(&c).CombinedOutput()
		require.NoError(p.t, err, string(out))
		p.t.Logf("%s, %s: %s", p.name, c.Name, out)
	}
	c := p.main()
	p.mount(c)
	p.cmd = p.command(c)
	log, err := os.Create(filepath.Join(p.dir, "log"))
	require.NoError(p.t, err)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	require.NoError(p.t, p.cmd.Start())
	p.done = make(chan error, 1)
	go func() { p.done <- p.cmd.Wait(); _ = log.Close() }()
	p.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		if text, _ := os.ReadFile(log.Name()); p.t.Failed() {
			p.t.Logf("%s\n%s", p.name, text)
		}
	})
}

func (p *pod) main() *corev1.Container { return &p.w.Pod.Spec.Containers[0] }

// probe asks as the kubelet does.
func (p *pod) probe(probe *corev1.Probe) error {
	port := func(name string) string {
		for _, port := range p.main().Ports {
			if port.Name == name {
				return fmt.Sprintf("%s:%d", p.addr, port.ContainerPort)
			}
		}
		return ""
	}
	if probe.TCPSocket != nil {
		conn, err := net.DialTimeout("tcp", port(probe.TCPSocket.Port.StrVal), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	resp, err := http.Get("http://" + port(probe.HTTPGet.Port.StrVal) + probe.HTTPGet.Path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s", resp.Status, text)
	}
	return nil
}

// ready waits until all three probes agree.
func (p *pod) ready() {
	p.t.Helper()
	c := p.main()
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		require.Eventually(p.t, func() bool { return p.probe(probe) == nil }, time.Minute, 50*time.Millisecond,
			"%s, probe %s", p.name, probe.ProbeHandler.String())
	}
}

// stop ends the pod as the kubelet does, in the time that it would be given.
func (p *pod) stop() {
	p.t.Helper()
	grace := time.Duration(*p.w.Pod.Spec.TerminationGracePeriodSeconds) * time.Second
	if l := p.main().Lifecycle; l != nil && l.PreStop.Sleep != nil {
		grace -= time.Duration(l.PreStop.Sleep.Seconds) * time.Second
	} else if l != nil {
		// The container's first process is another number here.
		args := strings.ReplaceAll(strings.Join(l.PreStop.Exec.Command[1:], " "), "=1", fmt.Sprintf("=%d", p.cmd.Process.Pid))
		out, err := exec.CommandContext(p.t.Context(), filepath.Join(p.n.bin, l.PreStop.Exec.Command[0]), strings.Fields(args)...).CombinedOutput()
		require.NoError(p.t, err, string(out))
	}
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-p.done:
		require.NoError(p.t, err, p.name)
	case <-time.After(grace):
		require.Fail(p.t, "it would be killed", p.name)
	}
}

// names are those of a workload's pods.
func names(w *Workload) []string {
	_, name, _ := strings.Cut(w.Name, " ")
	var all []string
	for i := range w.Replicas {
		all = append(all, fmt.Sprintf("%s-%d", name, i))
	}
	return all
}

func (n *network) all(t *testing.T) map[string][]*pod {
	t.Helper()
	pods := map[string][]*pod{}
	for _, w := range n.m.Workloads() {
		_, name, _ := strings.Cut(w.Name, " ")
		for _, each := range names(&w) {
			pods[name] = append(pods[name], n.pod(t, w, each))
		}
	}
	require.Equal(t, []string{"nats", "notifier", "proxy", "status"}, slices.Sorted(maps.Keys(pods)))
	return pods
}
