//go:build stack

package stack

import (
	"encoding/json"
	"os/exec"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// kill ends a container with SIGKILL.
func (c *cluster) kill(service string) (restart func()) {
	c.t.Helper()
	id := c.id(service)
	docker(c.t, "kill", id)
	return func() { docker(c.t, "start", id) }
}

// cutOff takes a broker off the network; its peers and clients see silence.
func (c *cluster) cutOff(broker string) (connect func()) {
	c.t.Helper()
	id := c.id(broker)
	network := docker(c.t, "inspect", "--format", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}", id)
	docker(c.t, "network", "disconnect", network, id)
	return func() { docker(c.t, "network", "connect", "--alias", broker, network, id) }
}

// disk is the volume of a broker, with little room, held by a container that can
// fill it. It is a tmpfs: what is on it lasts as long as somebody holds it.
type disk struct {
	t      *testing.T
	holder string
}

func (c *cluster) holdDisk(broker string) *disk {
	c.t.Helper()
	holder := docker(c.t, "run", "--detach", "--rm", "--volume", projectName+"_"+broker+":/data", "--entrypoint", "sleep", natsImage, "7200")
	c.t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", holder).Run() })
	return &disk{t: c.t, holder: holder}
}

func (d *disk) fill() {
	d.t.Helper()
	out, err := exec.CommandContext(d.t.Context(), "docker", "exec", d.holder, "dd", "if=/dev/zero", "of=/data/filler", "bs=4k").CombinedOutput()
	require.Error(d.t, err)
	require.Contains(d.t, string(out), "No space left on device")
}

func (d *disk) free() {
	d.t.Helper()
	docker(d.t, "exec", d.holder, "rm", "/data/filler")
}

var streamNames = []string{"AUTH", "STATUS", "ALERT", "DEAD", "KV_LEASES", "KV_DELIVERIES", "KV_SILENCES"}

// eyes look at the brokers.
type eyes struct{ system, admin *nats.Conn }

func (c *cluster) eyes() eyes {
	c.t.Helper()
	connect := func(user string) *nats.Conn {
		nc, err := nats.Connect(c.urls(), nats.UserInfo(user, c.secret(user)), nats.CustomInboxPrefix(inboxOf(user)),
			nats.MaxReconnects(-1), nats.PingInterval(2*time.Second), nats.ReconnectWait(100*time.Millisecond))
		require.NoError(c.t, err, user)
		c.t.Cleanup(nc.Close)
		return nc
	}
	return eyes{system: connect("sys"), admin: connect("admin")}
}

func inboxOf(user string) string {
	if user == "sys" {
		return "_INBOX"
	}
	return inbox(user)
}

// leader is the broker that leads a stream; of "" the one that leads them all.
func (e eyes) leader(t *testing.T, stream string) (name string) {
	t.Helper()
	require.Eventually(t, func() bool {
		if stream == "" {
			name = e.meta()
		} else {
			name = e.stream(stream).Leader
		}
		return name != ""
	}, time.Minute, 100*time.Millisecond, "nobody leads %q", stream)
	return name
}

func (e eyes) meta() string {
	var answer struct {
		Data struct {
			Meta struct {
				Leader string `json:"leader"`
			} `json:"meta_cluster"`
		} `json:"data"`
	}
	m, err := e.system.Request("$SYS.REQ.SERVER.PING.JSZ", nil, time.Second)
	if err != nil || json.Unmarshal(m.Data, &answer) != nil {
		return ""
	}
	return answer.Data.Meta.Leader
}

// group are the copies of a stream.
type group struct {
	Leader   string `json:"leader"`
	Replicas []struct {
		Current bool `json:"current"`
		Offline bool `json:"offline"`
	} `json:"replicas"`
}

func (e eyes) stream(name string) group {
	var answer struct {
		Cluster group `json:"cluster"`
	}
	if m, err := e.admin.Request("$JS.API.STREAM.INFO."+name, nil, time.Second); err == nil {
		_ = json.Unmarshal(m.Data, &answer) // no answer and a wrong one are the same: nobody leads
	}
	return answer.Cluster
}

// whole waits until every stream has three complete copies again.
func (e eyes) whole(t *testing.T) {
	t.Helper()
	for _, name := range streamNames {
		require.Eventually(t, func() bool {
			g, current := e.stream(name), 0
			for _, r := range g.Replicas {
				if r.Current && !r.Offline {
					current++
				}
			}
			return g.Leader != "" && current == 2
		}, 2*time.Minute, 200*time.Millisecond, "%s does not get its copies back", name)
	}
}

// lead makes a broker the leader of a stream.
func (e eyes) lead(t *testing.T, broker, stream string) {
	t.Helper()
	require.Eventually(t, func() bool {
		if e.stream(stream).Leader == broker {
			return true
		}
		_, _ = e.admin.Request("$JS.API.STREAM.LEADER.STEPDOWN."+stream, []byte(`{"placement":{"preferred":"`+broker+`"}}`), time.Second)
		return false
	}, time.Minute, time.Second, "%s does not become the leader of %s", broker, stream)
}
