package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Why the client got no whole answer: each error of [Upstream.Receive],
// [Upstream.Send] and [Exchange.Pass] wraps one of these, and holds no query and
// no header.
var (
	ErrBodyTooLarge   = errors.New("the request body is larger than allowed")
	ErrBodyBroken     = errors.New("the request body could not be read")
	ErrBodyLate       = errors.New("the request body did not arrive in time")
	ErrHeaderTooLarge = errors.New("the request's headers are larger than the upstream allows")
	ErrUnsendable     = errors.New("the request cannot be sent to the upstream as it is")
	ErrClientGone     = errors.New("the client went away")
	ErrUnreachable    = errors.New("there is no connection to the upstream")
	ErrEnded          = errors.New("the upstream ended the connection without an answer")
	ErrRefused        = errors.New("the upstream refused the request without an answer")
	ErrInvalid        = errors.New("the upstream's answer cannot be passed on")
	ErrTimedOut       = errors.New("the upstream gave no answer in time")
	ErrCut            = errors.New("the upstream ended its answer early")
)

// invalid says why an answer cannot be passed on: net/http's client takes a
// status that its server panics at, and a switch that nobody asked for.
func invalid(resp *http.Response, upgrade string) error {
	var err error
	switch got := resp.Header.Get("Upgrade"); {
	case resp.StatusCode < http.StatusContinue:
		err = fmt.Errorf("%w: its status is %03d", ErrInvalid, resp.StatusCode)
	case resp.StatusCode != http.StatusSwitchingProtocols:
	case upgrade == "":
		err = fmt.Errorf("%w: it switches to another protocol, which nobody asked for", ErrInvalid)
	case !strings.EqualFold(got, upgrade):
		err = fmt.Errorf("%w: it switches to another protocol than %s", ErrInvalid, upgrade)
	}
	if err != nil {
		resp.Body.Close()
	}
	return err
}

// failed says whose fault it is that there is no answer. The server ends the
// request's context for every error of its body, so the body comes first.
func (x *Exchange) failed(err error) error {
	if s := x.streamed; s != nil {
		if bodyErr := s.failure(); bodyErr != nil {
			err = bodyErr
		}
	}
	client := clientOf(x.Request.Context())
	switch {
	case client.wasReset():
		return ErrClientGone
	case errors.Is(err, ErrBodyTooLarge), errors.Is(err, ErrBodyBroken), errors.Is(err, ErrBodyLate), errors.Is(err, ErrInvalid):
		return err
	case x.Context().Err() != nil:
		return ErrClientGone
	}
	x.mu.Lock()
	c, ended := x.conn, x.ended
	x.mu.Unlock()
	if errors.Is(err, errStopped) && ended != nil {
		err = ended
	}
	kind := kindOf(err, c != nil)
	if errors.Is(kind, ErrInvalid) {
		return fmt.Errorf("%w: it is not HTTP", kind) // err quotes it
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// kindOf sorts what the transport says. Its errors have no types; a test holds
// the words.
func kindOf(err error, connected bool) error {
	var ne net.Error
	text := err.Error()
	switch {
	case errors.As(err, &ne) && ne.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return ErrTimedOut
	case strings.Contains(text, "header list larger than peer's"):
		return ErrHeaderTooLarge
	case strings.HasPrefix(text, "net/http: invalid "), strings.HasPrefix(text, "http2: invalid "),
		strings.HasPrefix(text, "invalid "), strings.Contains(text, "invalid Trailer key"):
		return ErrUnsendable
	case strings.Contains(text, "response headers exceeded"),
		strings.Contains(text, "transport connection broken") && !broke(err):
		return ErrInvalid
	case errors.As(err, new(streamError)), errors.Is(err, errStopped), strings.Contains(text, "GOAWAY"), strings.Contains(text, "cannot retry err"):
		return ErrRefused
	case connected:
		return ErrEnded
	}
	return ErrUnreachable
}

// broke tells the end of a connection from what was read on it.
func broke(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// streamError is what net/http's HTTP/2 stream error can be read into.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (r streamError) Error() string { return fmt.Sprintf("stream reset with code %d", r.Code) }
