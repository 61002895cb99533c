package natstest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// The ports given out lie below those that the system gives to clients, so that
// an address is still free when its server is started, and started again.
const (
	firstPort = 10000
	ports     = 20000
)

// given counts the ports given out, from base on: away from a test that runs
// beside this one.
var (
	base  = rand.Uint32N(ports)
	given atomic.Uint32
)

// FreeAddress returns an address of loopback that nobody listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+(base+given.Add(1))%ports)
		if l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address); err == nil {
			require.NoError(t, l.Close())
			return address
		}
	}
	t.Fatal("every port of loopback is taken")
	return ""
}
