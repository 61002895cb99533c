package forward

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// halfClosed is how long the upstream may be silent after its client has closed
// its side. Whether the client still reads, only a write can tell.
const halfClosed = 2 * time.Second

// Listener notices how the connections of clients end. Its server needs
// [ConnContext].
type Listener struct{ net.Listener }

// Accept implements [net.Listener].
func (l Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return &client{TCPConn: tcp}, err
	}
	return c, err
}

// client is the connection of a client.
type client struct {
	*net.TCPConn
	reset atomic.Bool
}

func (c *client) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	var ne net.Error
	late := errors.As(err, &ne) && ne.Timeout()
	if err != nil && !late && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		c.reset.Store(true)
	}
	return n, err
}

func (c *client) wasReset() bool { return c != nil && c.reset.Load() }

type clientKey struct{}

// ConnContext is for [net/http.Server].
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

func clientOf(ctx context.Context) *client {
	c, _ := ctx.Value(clientKey{}).(*client)
	return c
}

// departed runs when nothing more will come from the client. One that has reset
// its connection has left, and so has one that was reading events: it will ask for
// the rest on another connection, and servers refuse that while this one is open.
// Another may be waiting for the answer, and is served while the upstream is at it.
func (x *Exchange) departed() {
	if x.interrupted.Load() {
		return
	}
	ctx := x.Context()
	if clientOf(ctx).wasReset() || x.events.Load() {
		x.cancel(ErrClientGone)
		return
	}
	tick := time.NewTicker(halfClosed)
	defer tick.Stop()
	for seen := x.progress.Load(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := x.progress.Load()
		if now == seen {
			x.cancel(ErrClientGone)
			return
		}
		seen = now
	}
}
