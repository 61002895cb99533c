//go:build stack

package stack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

const (
	clusterFiles = "docker-compose.yml:deploy/compose.cluster.yml"
	demoReceiver = "      webhook: {url: \"http://demo:8083/hook\"}\n"
)

var (
	brokers   = []string{"nats", "nats2", "nats3"}
	clustered = append(append([]string{}, brokers...), "proxy", "proxy2", "status", "status2", "notifier", "notifier2")
)

// cluster is the overlay with many workloads and two receivers. No workload dies
// more than twice: a third time within ten minutes it would be damped as flapping.
type cluster struct {
	*project

	workloads []string
	deaths    int
	secrets   map[string]string
}

func newCluster(t *testing.T, workloads int) *cluster {
	t.Helper()
	c := &cluster{}
	for i := range workloads {
		c.workloads = append(c.workloads, fmt.Sprintf("w%02d", i))
	}
	c.project = newProject(t, append(demoVariables(t),
		"COMPOSE_FILE="+clusterFiles+":services/e2e/stack/testdata/cluster.yml",
		"STACK_CONFIG="+c.configure(t), "STACK_DEMO=serve "+strings.Join(c.workloads, " "))...)
	return c
}

var oneWorkload = regexp.MustCompile(`(?s)    - name: weather\n.*?\n\n`)

// configure writes the demo's configuration with more of everything.
func (c *cluster) configure(t *testing.T) (dir string) {
	t.Helper()
	text, err := os.ReadFile(root + "/deploy/stack/config/demo.yaml")
	require.NoError(t, err)
	one := oneWorkload.FindString(string(text))
	require.NotEmpty(t, one)
	var all strings.Builder
	for _, name := range c.workloads {
		all.WriteString(strings.ReplaceAll(strings.TrimSuffix(strings.ReplaceAll(one, "demo:8083/mcp", "demo:8083/mcp/"+name), "\n"), "weather", name))
	}
	config := strings.Replace(string(text), one, all.String()+"\n", 1)
	require.Contains(t, config, demoReceiver)
	config = strings.Replace(config, demoReceiver, demoReceiver+"    - name: second\n"+demoReceiver, 1)
	config = strings.Replace(config, "receivers: [ops]", "receivers: [ops, second]", 1)
	dir = t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // containers read it as users of their own
	require.NoError(t, os.WriteFile(filepath.Join(dir, "demo.yaml"), []byte(config), 0o644))
	return dir
}

// next is a workload to let die.
func (c *cluster) next() string {
	c.deaths++
	require.LessOrEqual(c.t, c.deaths, 2*len(c.workloads))
	return c.workloads[c.deaths%len(c.workloads)]
}

// dies lets a token die, and a client of one of the proxies notice.
func (c *cluster) dies(workload string) {
	c.t.Helper()
	c.tell("revoke/" + workload)
	c.answers(workload, http.StatusServiceUnavailable)
}

func (c *cluster) recovers(workload string) {
	c.t.Helper()
	c.tell("issue/" + workload)
	c.answers(workload, http.StatusOK)
}

// answers calls until one of the proxies, in turn, answers so.
func (c *cluster) answers(workload string, status int) {
	c.t.Helper()
	proxies := []string{c.proxy, c.proxy2}
	n := c.deaths
	require.Eventually(c.t, func() bool {
		n++
		got, _ := c.callAt(proxies[n%2], workload)
		return got == status
	}, time.Minute, 100*time.Millisecond, "%s does not answer %d", workload, status)
}

// incident is a death, something that happens meanwhile, and the recovery.
func (c *cluster) incident(meanwhile func()) {
	c.t.Helper()
	w := c.next()
	c.dies(w)
	meanwhile()
	c.awaitStatus(w, events.StatusUnauthenticated)
	c.recovers(w)
	c.awaitStatus(w, events.StatusRunning)
}

// awaitStatus waits until both status services say so.
func (c *cluster) awaitStatus(workload string, want events.Status) {
	c.t.Helper()
	for _, address := range []string{c.status, c.status2} {
		require.Eventually(c.t, func() bool {
			req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, "http://"+address+"/api/v1/workloads/"+workload, http.NoBody)
			require.NoError(c.t, err)
			var r events.Record
			code, body := send(req)
			return code == http.StatusOK && json.Unmarshal([]byte(body), &r) == nil && r.Status == want
		}, time.Minute, 100*time.Millisecond, "%s does not become %s at %s", workload, want, address)
	}
}

// urls are the brokers, for clients on this machine.
func (c *cluster) urls() string {
	return "nats://" + c.nats + ",nats://" + c.nats2 + ",nats://" + c.nats3
}

// secret reads all of them at once, for compose takes seconds to run a container.
func (c *cluster) secret(name string) string {
	c.t.Helper()
	if c.secrets == nil {
		c.secrets = map[string]string{}
		for line := range strings.Lines(c.do("run", "--rm", "--entrypoint", "grep", "setup", "-r", "", "/run/secrets")) {
			if file, word, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				c.secrets[filepath.Base(file)] = word
			}
		}
	}
	require.NotEmpty(c.t, c.secrets[name], name)
	return c.secrets[name]
}

func TestTheCluster(t *testing.T) { //nolint:paralleltest // all use one engine, and its images
	workloads, kills, partitions := 16, 3, 1
	if os.Getenv("SOAK") != "" {
		workloads, kills, partitions = 40, 20, 5
	}
	c := newCluster(t, workloads)
	c.up(append(clustered, "demo")...)
	small := c.holdDisk("nats3")
	eyes := c.eyes()
	eyes.whole(t)
	l, stop := c.startLoad()
	t.Cleanup(stop)

	// part runs a part as a test of its own, on what the one before left.
	part := func(name string, f func()) {
		t.Helper()
		ok := t.Run(name, func(t *testing.T) {
			began := time.Now()
			c.t = t
			f()
			l.report(t)
			t.Logf("%.0f s", time.Since(began).Seconds())
		})
		c.t = t
		require.True(t, ok, name)
	}

	part("a dead token reaches both status services and both receivers, and so does the recovery", func() {
		c.incident(func() {})
		c.incident(func() {})
	})

	part("any container ends in an incident", func() {
		for _, service := range clustered {
			c.incident(func() {
				if slices.Contains(brokers, service) {
					docker(c.t, "restart", c.id(service))
				} else {
					c.kill(service)()
				}
			})
			c.healthy(service)
		}
		eyes.whole(c.t)
	})

	part("a leader is killed in an incident", func() {
		for i := range kills {
			c.incident(func() {
				c.kill(eyes.leader(c.t, []string{"AUTH", "STATUS", ""}[i%3]))()
				c.incident(func() {})
			})
			eyes.whole(c.t)
		}
	})

	part("a broker is cut off from the network for ten seconds", func() {
		for i := range partitions {
			broker := brokers[i%3]
			if i%2 == 0 {
				broker = eyes.leader(c.t, "AUTH")
			}
			c.incident(func() {
				connect := c.cutOff(broker)
				until := time.Now().Add(10 * time.Second)
				c.incident(func() { <-time.After(time.Until(until)) })
				connect()
			})
			eyes.whole(c.t)
		}
	})

	part("two brokers are away, and a death is told when one is back", func() {
		one, other := c.id("nats"), c.id("nats2")
		w := c.next()
		docker(c.t, "kill", one, other)
		c.dies(w) // proxies answer without a broker
		docker(c.t, "start", one)
		c.awaitStatus(w, events.StatusUnauthenticated)
		docker(c.t, "start", other)
		c.recovers(w)
		c.awaitStatus(w, events.StatusRunning)
		eyes.whole(c.t)
	})

	part("the disk of a leader is full, and is freed", func() {
		eyes.lead(c.t, "nats3", "AUTH")
		small.fill()
		c.incident(func() {})
		require.Eventually(c.t, func() bool { return eyes.stream("AUTH").Leader != "nats3" }, time.Minute, 100*time.Millisecond)
		c.incident(func() {})
		small.free()
		docker(c.t, "restart", c.id("nats3"))
		eyes.whole(c.t)
		c.healthy("nats3")
	})

	part("the containers are as closed as they can be, and were denied nothing", func() {
		for _, service := range append(clustered, "demo") {
			c.isClosed(service)
		}
		for _, service := range clustered {
			c.wasDeniedNothing(service)
		}
	})

	part("what the brokers share is replaced in an incident", func() {
		c.incident(func() {
			c.do("run", "--rm", "setup", "renew", "status")
			c.do("kill", "-s", "SIGHUP", "nats", "nats2", "nats3")
		})
		c.incident(func() {
			c.do("run", "--rm", "setup", "renew", "cluster")
			docker(c.t, "restart", c.id("nats"), c.id("nats2"), c.id("nats3"))
		})
		c.secrets = nil
		eyes.whole(c.t)
	})

	part("nothing is lost, and nothing is told twice", func() { c.isRight(l, stop) })

	part("each user of the broker may do what it must and no more", func() {
		checkUsers(c.t, "nats://"+c.nats2, c.secret)
	})
}
