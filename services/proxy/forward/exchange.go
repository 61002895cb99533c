package forward

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"sync/atomic"
)

// Exchange is one request and its answer.
type Exchange struct {
	Writer  http.ResponseWriter
	Request *http.Request // the server's; forwarding takes its headers over
	Target  *Target
	Rest    string // what follows the mount point on the wire: empty or "/..."
	// Credential is sent instead of what the client sent in these headers, in
	// Authorization and as cookies. Nil: all of that is passed on.
	Credential http.Header
	// MCP says that a JSON body of unknown length is most likely a message to be
	// read whole, and that the endpoint event of the HTTP+SSE transport is rewritten.
	MCP bool

	// Body is the whole request body where it was read before it was sent.
	Body []byte
	// Status and Bytes are of the answer that the client got. Whole says that it
	// got all of it: from Pass, or from a caller that answered itself.
	Status int
	Bytes  int64
	Whole  bool

	received    bool
	streamed    *streamed
	pending     bool // something was written and not flushed
	chunked     bool // the answer is
	out         flusher
	body        io.Reader // of the answer
	ctx         context.Context
	cancel      context.CancelCauseFunc
	stop        func() bool // waiting for the client to leave
	trace       httptrace.ClientTrace
	progress    atomic.Int64 // grows with each sign of life of the upstream
	events      atomic.Bool  // the client is reading an event stream
	interrupted atomic.Bool  // a read from the client was, so it may seem to have left

	// The transport calls back from its own goroutines, also after RoundTrip.
	mu       sync.Mutex
	returned bool
	conn     *conn
	ended    error // how the connection to the upstream did, before an answer
}

type flusher interface{ FlushError() error }

// Context ends when the client has left. The server's ends when a client has
// sent all that it will send, which is no departure.
func (x *Exchange) Context() context.Context {
	if x.ctx == nil {
		server := x.Request.Context()
		x.ctx, x.cancel = context.WithCancelCause(context.WithoutCancel(server))
		x.stop = context.AfterFunc(server, x.departed)
	}
	return x.ctx
}

// Send sends x's request and returns the upstream's answer, of which the client
// has seen nothing yet. The caller may take its time, and ends the answer with
// [Exchange.Pass] or [Exchange.Discard]. After an error the caller answers.
func (u *Upstream) Send(x *Exchange) (*http.Response, error) {
	in := x.Request
	x.out, _ = x.Writer.(flusher)
	if !x.received {
		if err := u.Receive(x); err != nil {
			return nil, err
		}
	}
	_, query, hasQuery := Split(in.RequestURI)
	x.trace = httptrace.ClientTrace{GotConn: x.gotConn, PutIdleConn: x.putIdleConn, Got1xxResponse: x.got1xx}
	out := in.WithContext(httptrace.WithClientTrace(x.Context(), &x.trace))
	upgrade := stripRequest(in.Header)
	x.setBody(out)
	out.URL = x.Target.URL(x.Rest, query, hasQuery)
	out.Host, out.RequestURI = "", ""
	dropForbidden(in.Trailer, x.Credential)
	out.Trailer = in.Trailer
	out.Close, out.TransferEncoding = false, nil
	x.setHeaders(upgrade)
	if u.via != "" {
		in.Header["Via"] = append(in.Header["Via"], u.via)
	}

	resp, err := u.transport.RoundTrip(out)
	x.progress.Add(1)
	x.mu.Lock()
	x.returned = true
	x.mu.Unlock()
	if err == nil {
		err = invalid(resp, upgrade)
	}
	if err != nil {
		return nil, x.failed(err)
	}
	if x.streamed != nil {
		x.streamed.begun()
	}
	if x.conn != nil {
		x.conn.keepAlive(resp)
	}
	return resp, nil
}

func (x *Exchange) setHeaders(upgrade string) {
	h := x.Request.Header
	if x.Credential != nil {
		attach(h, x.Credential)
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // else the transport names itself
	}
	if upgrade != "" {
		h["Connection"] = []string{"Upgrade"}
		h["Upgrade"] = []string{upgrade}
	}
}

func (x *Exchange) gotConn(info httptrace.GotConnInfo) {
	c, http2 := connOf(info.Conn)
	x.mu.Lock()
	x.conn, x.ended = c, nil
	x.mu.Unlock()
	if c != nil && !http2 {
		c.take(x)
	}
	if x.streamed != nil {
		x.streamed.keepFor(http2)
	}
}

// putIdleConn is called before the transport reads from the connection on its own.
func (x *Exchange) putIdleConn(error) {
	x.mu.Lock()
	c := x.conn
	x.mu.Unlock()
	if c != nil {
		c.release(x)
	}
}

// connEnded is told how c ended before it was idle. While its request's body is
// waited for, nobody tells the transport.
func (x *Exchange) connEnded(c *conn, err error) {
	x.mu.Lock()
	waiting := !x.returned && x.conn == c
	if waiting && x.ended == nil {
		x.ended = err
	}
	x.mu.Unlock()
	if waiting && x.streamed != nil {
		_ = x.streamed.Close()
	}
}

// got1xx passes on 103 and other interim answers.
func (x *Exchange) got1xx(code int, header textproto.MIMEHeader) error {
	x.progress.Add(1)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.returned || !x.Request.ProtoAtLeast(1, 1) {
		return nil
	}
	h := x.Writer.Header()
	copyAnswer(h, http.Header(header))
	x.Writer.WriteHeader(code)
	clear(h)
	return nil
}
