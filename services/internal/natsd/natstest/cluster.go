package natstest

import (
	"fmt"
	"testing"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd"
)

// Cluster is three servers in this process.
type Cluster struct{ Servers [3]*Server }

// RunCluster starts a cluster of three that ends with the test. Its peers talk
// over loopback; its clients connect in the process too.
func RunCluster(t testing.TB) *Cluster {
	t.Helper()
	var listen [3]string
	var routes []string
	for i := range listen {
		listen[i] = FreeAddress(t)
		routes = append(routes, "nats://"+listen[i])
	}
	c := &Cluster{}
	for i := range c.Servers {
		c.Servers[i] = Run(t, Listen(), func(o *natsd.Options) { // routes start after the clients' port
			o.Cluster = &natsd.Cluster{Server: fmt.Sprintf("n%d", i), Listen: listen[i], Routes: routes}
		})
	}
	return c
}

// Bus returns a bus on the first server, with the topology on all three.
func (c *Cluster) Bus(t testing.TB) *bus.Bus {
	t.Helper()
	b := c.Connect(t, 0)
	Provision(t, b, len(c.Servers))
	return b
}

// Connect returns a bus on one of the servers.
func (c *Cluster) Connect(t testing.TB, server int) *bus.Bus {
	t.Helper()
	return c.Servers[server].Connect(t)
}
