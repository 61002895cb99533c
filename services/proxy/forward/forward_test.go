package forward_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/forward"
)

// front is a listener that forwards everything below mount.
type front struct {
	*httptest.Server
	ends chan error // of each exchange; nil: the client got the upstream's answer
}

type setup struct {
	mount   string
	options forward.Options
	// between is what the caller does between Send and Pass: true to pass.
	between    func(x *forward.Exchange, resp *http.Response) bool
	credential http.Header
	upstream   *forward.Upstream               // instead of one with options
	plain      bool                            // no MCP
	listener   func(net.Listener) net.Listener // around the client's
}

func newFront(t *testing.T, upstream string, change ...func(*setup)) *front {
	t.Helper()
	base, err := url.Parse(upstream)
	require.NoError(t, err)
	s := setup{credential: http.Header{"Authorization": {"Bearer ours"}}, options: forward.Options{
		URL: base, ConnectTimeout: 5 * time.Second, HeaderTimeout: 20 * time.Second,
	}}
	for _, c := range change {
		c(&s)
	}
	up := s.upstream
	if up == nil {
		up = forward.New(s.options)
		t.Cleanup(up.CloseIdle)
	}
	target := forward.NewTarget(base, s.mount)
	f := &front{ends: make(chan error, 20000)}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, _, _ := forward.Split(r.RequestURI)
		rest := strings.TrimPrefix(path, s.mount)
		if s.mount == "" && rest == "/" {
			rest = ""
		}
		x := forward.Exchange{Writer: w, Request: r, Target: &target, Rest: rest, Credential: s.credential, MCP: !s.plain}
		err := s.exchange(up, &x)
		f.ends <- err
		x.Finish()
	}))
	f.Listener = forward.Listener{Listener: f.Listener}
	if s.listener != nil {
		f.Listener = s.listener(f.Listener)
	}
	f.Config.ConnContext = forward.ConnContext
	f.Start()
	t.Cleanup(f.Close)
	return f
}

func (s *setup) exchange(up *forward.Upstream, x *forward.Exchange) error {
	resp, err := up.Send(x)
	if err == nil && s.between != nil && !s.between(x, resp) {
		x.Discard(resp)
		return nil
	}
	if err == nil {
		err = x.Pass(resp)
	}
	for cause, status := range map[error]int{
		forward.ErrUnreachable: http.StatusBadGateway, forward.ErrTimedOut: http.StatusBadGateway,
		forward.ErrEnded: http.StatusBadGateway, forward.ErrRefused: http.StatusBadGateway, forward.ErrInvalid: http.StatusBadGateway,
		forward.ErrHeaderTooLarge: http.StatusRequestHeaderFieldsTooLarge, forward.ErrUnsendable: http.StatusBadRequest,
		forward.ErrBodyTooLarge: http.StatusRequestEntityTooLarge,
		forward.ErrBodyBroken:   http.StatusBadRequest, forward.ErrBodyLate: http.StatusRequestTimeout,
	} {
		if errors.Is(err, cause) {
			x.LeaveBody()
			x.Writer.Header().Set("Content-Length", strconv.Itoa(len(err.Error())))
			x.Writer.WriteHeader(status)
			_, _ = io.WriteString(x.Writer, err.Error())
			x.Whole = true
		}
	}
	return err
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

func mounted(at string) func(*setup) { return func(s *setup) { s.mount = at } }

// wire is an upstream that shows what came in, byte for byte, and answers with
// the bytes it is told to.
type wire struct {
	net.Listener
	got chan string
}

func newWire(t *testing.T, answer string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{l, make(chan string, 100)}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(c, answer)
		}
	}()
	return w
}

func (w *wire) serve(c net.Conn, answer string) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		head, err := until(in, "")
		if err != nil {
			return
		}
		body := ""
		if _, v, ok := strings.Cut(head, "Content-Length: "); ok {
			length, _, _ := strings.Cut(v, "\n")
			n, _ := strconv.Atoi(length)
			b := make([]byte, n)
			_, err = io.ReadFull(in, b)
			body = string(b)
		} else if strings.Contains(head, "Transfer-Encoding: chunked") {
			var trailers string
			body, err = until(in, "0")
			trailers, _ = until(in, "")
			body += trailers
		}
		if err != nil {
			return
		}
		w.got <- head + body
		if _, err := io.WriteString(c, strings.ReplaceAll(answer, "\n", "\r\n")); err != nil || strings.Contains(answer, "Connection: close") {
			return
		}
	}
}

// until reads lines up to the one given, and that one.
func until(in *bufio.Reader, last string) (string, error) {
	var text strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimRight(line, "\r\n")
		text.WriteString(line + "\n")
		if line == last {
			return text.String(), nil
		}
	}
}

func (w *wire) url() string { return "http://" + w.Addr().String() }

// talk sends raw bytes and returns everything that comes back until the server
// closes the connection.
func talk(t *testing.T, f *front, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", f.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(c, strings.ReplaceAll(request, "\n", "\r\n"))
	require.NoError(t, err)
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	return strings.ReplaceAll(string(answer), "\r\n", "\n")
}

// within returns what comes out of c, or fails.
func within[T any](t *testing.T, d time.Duration, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(d):
		require.FailNow(t, "nothing came in time")
		panic("unreachable")
	}
}
