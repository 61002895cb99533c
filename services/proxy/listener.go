package proxy

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/authwatch/authwatch/services/internal/listen"
	"github.com/authwatch/authwatch/services/proxy/forward"
)

// shutdownGrace is how long requests may go on when the proxy stops.
const shutdownGrace = 5 * time.Second

// listener is one open address. Other limits need another server, which takes
// the connections that come from then on.
type listener struct {
	ln      net.Listener
	handler http.Handler
	ctx     context.Context
	log     *slog.Logger

	accepted chan accepted
	ended    chan struct{} // when nothing is accepted any more

	limits Limits
	srv    *http.Server
	share  *share
	former []*http.Server // finish what they have begun
}

type accepted struct {
	conn net.Conn
	err  error
}

func openListener(ctx context.Context, path, addr string, l Limits, h http.Handler, log *slog.Logger) (*listener, error) {
	ln, err := listen.Open(ctx, path, addr)
	if err != nil {
		return nil, err
	}
	log.Info("proxy is served", "addr", ln.Addr().String())
	o := &listener{
		ln: forward.Listener{Listener: ln}, handler: h, ctx: ctx, log: log,
		accepted: make(chan accepted), ended: make(chan struct{}),
	}
	o.setLimits(l)
	return o, nil
}

// setLimits puts another server in the place of the current one, unless it has the
// same limits. The one before is not shut down: it would drop a connection that it
// has just accepted.
func (l *listener) setLimits(limits Limits) (changed bool) {
	limits.RequestBody = 0 // of a request
	if l.srv != nil && l.limits == limits {
		return false
	}
	if l.srv != nil {
		_ = l.share.Close()
		l.srv.SetKeepAlivesEnabled(false)
		l.former = append(l.former, l.srv)
	}
	l.limits, l.share = limits, &share{l: l, closed: make(chan struct{})}
	l.srv = &http.Server{
		Handler:           l.handler,
		ReadHeaderTimeout: cmp.Or(limits.HeaderTimeout.Std(), 10*time.Second),
		IdleTimeout:       cmp.Or(limits.IdleTimeout.Std(), 2*time.Minute),
		MaxHeaderBytes:    cmp.Or(limits.RequestHeader, 64<<10),
		ErrorLog:          slog.NewLogLogger(l.log.Handler(), slog.LevelDebug),
		ConnContext:       forward.ConnContext,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(l.ctx) },
	}
	return true
}

// accept gives connections to the current server until the listener is closed.
func (l *listener) accept() {
	defer close(l.ended)
	for {
		c, err := l.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case l.accepted <- accepted{c, err}:
		case <-l.ctx.Done():
			return
		}
	}
}

// serve blocks until srv accepts no more.
func serve(srv *http.Server, from *share) error {
	err := srv.Serve(from)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// share is the listener as one of its servers sees it.
type share struct {
	l      *listener
	once   sync.Once
	closed chan struct{}
}

func (s *share) Accept() (net.Conn, error) {
	select {
	case <-s.closed: // comes first
		return nil, net.ErrClosed
	default:
	}
	select {
	case <-s.closed:
	case <-s.l.ended:
	case a := <-s.l.accepted:
		return a.conn, a.err
	}
	return nil, net.ErrClosed
}

func (s *share) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *share) Addr() net.Addr { return s.l.ln.Addr() }

// leave stops listening and lets every stream run to its end.
func (l *listener) leave(ctx context.Context) {
	_ = l.ln.Close()
	l.shutdown(ctx)
}

// stop lets short requests finish and ends the others.
func (l *listener) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shutdownGrace)
	defer cancel()
	_ = l.ln.Close()
	for _, srv := range l.shutdown(ctx) {
		_ = srv.Close()
	}
}

// shutdown returns the servers that still have requests when ctx ends.
func (l *listener) shutdown(ctx context.Context) (busy []*http.Server) {
	for _, srv := range append(l.former, l.srv) {
		if srv.Shutdown(ctx) != nil {
			busy = append(busy, srv)
		}
	}
	return busy
}
