package forward

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// conn tells the exchange that reads from it before each read, which may wait.
// The exchange then flushes what it has written, and at no other time, so that
// an answer that is already here goes out in one write.
type conn struct {
	net.Conn
	mu     sync.Mutex
	reader *Exchange // nil: none
}

// Read is called by the goroutine that reads the answer's body, except between
// two answers, when the transport's own goroutine waits for the next one.
func (c *conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	if c.reader != nil {
		c.reader.flush()
	}
	c.mu.Unlock()
	return c.Conn.Read(p)
}

// CloseWrite ends one direction of a tunnel.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Close()
}

// attach makes x the reader; nil detaches. When it returns, the former reader is
// no longer called.
func (c *conn) attach(x *Exchange) {
	c.mu.Lock()
	c.reader = x
	c.mu.Unlock()
}

// connOf finds our connection under the transport's, nil if there is none.
func connOf(nc net.Conn) *conn {
	for {
		switch c := nc.(type) {
		case *conn:
			return c
		case *tls.Conn:
			nc = c.NetConn()
		default:
			return nil
		}
	}
}

func dialer(o Options) func(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: o.ConnectTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: nc}, nil
	}
}
