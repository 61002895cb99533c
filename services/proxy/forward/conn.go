package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// answerWait is how long an answer may take to arrive after a write has failed:
// an upstream may answer early and close before it has read the request.
const answerWait = 100 * time.Millisecond

// conn tells the exchange that reads from it before each read, which may wait.
// The exchange then flushes what it has written, and at no other time, so that
// an answer that is already here goes out in one write.
type conn struct {
	net.Conn
	upstream *Upstream
	reads    atomic.Int64 // that brought something
	closed   chan struct{}
	closing  sync.Once

	// Of a connection of HTTP/1.1.
	mu     sync.Mutex
	user   *Exchange // nil: the connection is idle
	reader *Exchange // user, once it reads the body of its answer
	uses   int
	before int64 // reads when the user took it, or left it
	idle   idle
}

// Read is called by the goroutine that reads the answer's body, except between
// two answers, when the transport's own goroutine waits for the next one. By then
// there is no reader: a client that does not read must not hold up that goroutine.
func (c *conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	reader := c.reader
	c.mu.Unlock()
	if reader != nil {
		reader.flush()
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.reads.Add(1)
	}
	if err != nil {
		c.ended(err)
	}
	return n, err
}

// ended takes in that nothing more will be read.
func (c *conn) ended(err error) {
	if c.isClosed() {
		return // that was done here
	}
	c.mu.Lock()
	x, unused := c.user, c.reads.Load() == c.before
	if !c.idle.expired && (c.uses > 0 && x == nil || c.uses > 1 && unused) {
		c.upstream.closesIdle.Store(true)
	}
	c.mu.Unlock()
	if x != nil {
		x.connEnded(c, err)
	}
}

// Write returns an error late: the transport drops the connection then, and with
// it an answer that is about to arrive.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err == nil || errors.Is(err, net.ErrClosed) {
		return n, err
	}
	for seen := int64(-1); seen != c.reads.Load(); {
		seen = c.reads.Load()
		select {
		case <-c.closed:
			return n, err
		case <-time.After(answerWait):
		}
	}
	return n, err
}

// Close implements [net.Conn]. The end of a TLS connection is a message, after
// which the transport closes without another read.
func (c *conn) Close() error {
	c.closing.Do(func() {
		c.mu.Lock()
		x := c.user
		if x == nil && c.uses > 0 && c.reads.Load() > c.before {
			c.upstream.closesIdle.Store(true)
		}
		c.mu.Unlock()
		close(c.closed)
		if x != nil {
			x.connEnded(c, io.EOF)
		}
	})
	return c.Conn.Close()
}

func (c *conn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// CloseWrite ends one direction of a tunnel.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Close()
}

// take makes x the user.
func (c *conn) take(x *Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.user, c.before = x, c.reads.Load()
	c.uses++
	c.idle.stop()
}

// read makes x the reader.
func (c *conn) read(x *Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reader = x
}

// leave ends the reading by x. The next exchange may have begun to read.
func (c *conn) leave(x *Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reader == x {
		c.reader = nil
	}
}

// release ends the use by x.
func (c *conn) release(x *Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reader == x {
		c.reader = nil
	}
	if c.user == x {
		c.user, c.before = nil, c.reads.Load()
		c.idle.start(c)
	}
}

// connOf finds our connection under the transport's, nil if there is none.
func connOf(nc net.Conn) (c *conn, http2 bool) {
	for {
		switch t := nc.(type) {
		case *conn:
			return t, http2
		case *tls.Conn:
			http2 = t.ConnectionState().NegotiatedProtocol == "h2"
			nc = t.NetConn()
		default:
			return nil, http2
		}
	}
}

func (u *Upstream) dialer(o Options) func(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: o.ConnectTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: nc, upstream: u, closed: make(chan struct{})}, nil
	}
}
