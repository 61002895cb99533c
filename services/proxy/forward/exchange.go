package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
)

// Why the client got no whole answer: each error of [Upstream.Send] and
// [Exchange.Pass] wraps one of these, and holds no query and no header.
var (
	ErrBodyTooLarge = errors.New("the request body is larger than allowed")
	ErrBodyBroken   = errors.New("the request body could not be read")
	ErrBodyLate     = errors.New("the request body did not arrive in time")
	ErrClientGone   = errors.New("the client went away")
	ErrUnreachable  = errors.New("the upstream gave no answer")
	ErrTimedOut     = errors.New("the upstream gave no answer in time")
	ErrCut          = errors.New("the upstream ended its answer early")
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

	// Body is the whole request body where it was read before it was sent.
	Body []byte
	// Status and Bytes are of the answer that the client got. Whole says that it
	// got all of it: from Pass, or from a caller that answered itself.
	Status int
	Bytes  int64
	Whole  bool

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

// Send sends x's request and returns the upstream's answer, of which the client
// has seen nothing yet. The caller may take its time, and ends the answer with
// [Exchange.Pass] or [Exchange.Discard]. After an error the caller answers.
func (u *Upstream) Send(x *Exchange) (*http.Response, error) {
	in := x.Request
	x.out, _ = x.Writer.(http.Flusher)
	_, query, hasQuery := Split(in.RequestURI)

	trace := &httptrace.ClientTrace{GotConn: x.gotConn, Got1xxResponse: x.got1xx}
	out := in.WithContext(httptrace.WithClientTrace(in.Context(), trace))
	upgrade := stripRequest(in.Header)
	if err := u.setBody(x, out); err != nil {
		return nil, x.failed(err)
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
	if err == nil {
		err = invalid(resp, upgrade)
	}
	if err != nil {
		return nil, x.failed(err)
	}
	return resp, nil
}

// invalid says why an answer cannot be passed on: net/http's client takes a
// status that its server panics at, and a switch that nobody asked for.
func invalid(resp *http.Response, upgrade string) error {
	var err error
	switch got := resp.Header.Get("Upgrade"); {
	case resp.StatusCode < http.StatusContinue:
		err = fmt.Errorf("its status is %03d", resp.StatusCode)
	case resp.StatusCode != http.StatusSwitchingProtocols:
	case upgrade == "" || !strings.EqualFold(got, upgrade):
		err = fmt.Errorf("it switched to %q, the client asked for %q", got, upgrade)
	}
	if err != nil {
		resp.Body.Close()
	}
	return err
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

// failed says whose fault it is that there is no answer. The server ends the
// request's context for every error of its body, so the body comes first.
func (x *Exchange) failed(err error) error {
	if s := x.streamed; s != nil {
		if bodyErr := s.failure(); bodyErr != nil {
			err = bodyErr
		}
	}
	var ne net.Error
	switch {
	case errors.Is(err, ErrBodyTooLarge), errors.Is(err, ErrBodyBroken), errors.Is(err, ErrBodyLate):
		return err
	case x.Request.Context().Err() != nil:
		return ErrClientGone
	case errors.As(err, &ne) && ne.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrTimedOut, err)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}
