package forward

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
)

// Exchange is one request and its answer.
type Exchange struct {
	Writer  http.ResponseWriter
	Request *http.Request // the server's; forwarding takes its headers over
	Target  *Target
	Rest    string // what follows the mount point on the wire: empty or "/..."
	// Authorization replaces what the client sent, and the client's cookies go.
	// Empty: both are passed on.
	Authorization string
	// LegacySSE rewrites the endpoint event of the HTTP+SSE transport.
	LegacySSE bool
	Judge     Judge

	// Body is the whole request body where it was read before it was sent.
	Body []byte
	// Status and Bytes are of the answer that the client got.
	Status int
	Bytes  int64

	head     []byte // the first bytes of a body that is streamed after all
	streamed *streamed
	pending  bool // something was written and not flushed
	chunked  bool // the answer is
	out      http.Flusher
	body     io.Reader // of the answer

	// The transport calls back from its own goroutines, also after RoundTrip.
	mu       sync.Mutex
	returned bool
	conn     *conn
}

// Judge sees the upstream's answer before the client does. When it returns
// false it has answered the client itself; the body is then given up.
type Judge interface {
	Answer(x *Exchange, resp *http.Response) bool
}

// Outcome is how an exchange ended.
type Outcome int

// Outcomes of an exchange. The first three have answered the client.
const (
	Forwarded Outcome = iota
	TakenOver         // by the judge
	Upgraded          // a tunnel that has ended
	// The rest left nothing, or half an answer, to the client.
	ClientGone
	BadRequest  // its body could not be read
	TooLarge    // its body is larger than allowed
	Unreachable // no answer from the upstream
	TimedOut    // no answer in time
	Cut         // the upstream ended its answer early
)

// Forward sends x's request and passes the answer on. The error says why the
// outcome is not Forwarded; it holds no query and no header.
func (u *Upstream) Forward(x *Exchange) (Outcome, error) {
	in := x.Request
	x.out, _ = x.Writer.(http.Flusher)
	_, query, hasQuery := Split(in.RequestURI)

	trace := &httptrace.ClientTrace{GotConn: x.gotConn, Got1xxResponse: x.got1xx}
	out := in.WithContext(httptrace.WithClientTrace(in.Context(), trace))
	upgrade := stripRequest(in.Header)
	if err := u.setBody(x, out); err != nil {
		return x.failed(err)
	}
	out.URL = x.Target.URL(x.Rest, query, hasQuery)
	out.Host, out.RequestURI = "", ""
	out.Trailer = in.Trailer
	out.Close, out.TransferEncoding = false, nil
	x.setHeaders(upgrade)

	resp, err := u.transport.RoundTrip(out)
	x.mu.Lock()
	x.returned = true
	x.mu.Unlock()
	if err != nil {
		return x.failed(err)
	}
	if x.Judge != nil && !x.Judge.Answer(x, resp) {
		discard(resp.Body)
		return TakenOver, nil
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return x.tunnel(resp, upgrade)
	}
	return x.pass(resp)
}

func (x *Exchange) setHeaders(upgrade string) {
	h := x.Request.Header
	if x.Authorization != "" {
		delete(h, "Cookie")
		h["Authorization"] = []string{x.Authorization}
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
	c := connOf(info.Conn)
	x.mu.Lock()
	x.conn = c
	x.mu.Unlock()
}

// got1xx passes on 103 and other interim answers.
func (x *Exchange) got1xx(code int, header textproto.MIMEHeader) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.returned || !x.Request.ProtoAtLeast(1, 1) {
		return nil
	}
	h := x.Writer.Header()
	maps.Copy(h, http.Header(header))
	x.Writer.WriteHeader(code)
	clear(h)
	return nil
}

// failed tells whose fault it is that there is no answer.
func (x *Exchange) failed(err error) (Outcome, error) {
	if s := x.streamed; s != nil {
		s.mu.Lock()
		if s.err != nil && (errors.Is(s.err, errBodyTooLarge) || errors.Is(s.err, errBodyBroken)) {
			err = s.err
		}
		s.mu.Unlock()
	}
	var ne net.Error
	switch {
	case errors.Is(err, errBodyTooLarge):
		return TooLarge, err
	case x.Request.Context().Err() != nil:
		return ClientGone, errClient
	case errors.Is(err, errBodyBroken):
		return BadRequest, err
	case errors.As(err, &ne) && ne.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return TimedOut, err
	}
	return Unreachable, err
}
