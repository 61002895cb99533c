package forward

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// idleTimeout is for servers that keep idle connections for a minute or more,
	// as nginx and Go do.
	idleTimeout = 55 * time.Second
	// shortIdle is for those that close them early and do not say so: Node and
	// uvicorn do after 5 seconds.
	shortIdle = 4 * time.Second
)

// idle closes a connection before its server does: a request that meets the
// close is lost, and may not be sent again.
type idle struct {
	timer *time.Timer
	said  time.Duration // by the server's Keep-Alive field
	known bool          // it said something

	expired bool
}

func (i *idle) stop() {
	if i.timer != nil {
		i.timer.Stop()
	}
}

// start is called with c's lock held.
func (i *idle) start(c *conn) {
	limit := i.said
	if !i.known {
		if !c.upstream.closesIdle.Load() {
			return
		}
		limit = shortIdle
	}
	if limit >= idleTimeout {
		return
	}
	if i.timer == nil {
		i.timer = time.AfterFunc(limit, c.expire)
		return
	}
	i.timer.Reset(limit)
}

// expire closes under the lock: a request that takes the connection now writes
// nothing, and is sent on another.
func (c *conn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.user == nil {
		c.idle.expired = true
		_ = c.Conn.Close() // the transport notices, and closes c
	}
}

// keepAlive takes in what an answer says about the connection.
func (c *conn) keepAlive(resp *http.Response) {
	field, ok := resp.Header["Keep-Alive"]
	if !ok || resp.ProtoMajor != 1 {
		return
	}
	limit, ok := keepAliveLimit(field)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle.said, c.idle.known = limit, true
	if c.user == nil {
		c.idle.start(c)
	}
}

// keepAliveLimit returns how long a connection may be idle: a second less than the
// server said, for the way of what it sends.
func keepAliveLimit(lines []string) (time.Duration, bool) {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(part, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "timeout") {
				continue
			}
			n, err := strconv.ParseUint(strings.Trim(value, ` "`), 10, 31)
			if err != nil {
				return 0, false
			}
			d := time.Duration(n) * time.Second
			return max(d-time.Second, d/2), true
		}
	}
	return 0, false
}
