package proxy

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/authwatch/authwatch/services/internal/listen"
	"github.com/authwatch/authwatch/services/proxy/forward"
)

// shutdownGrace is how long requests may go on when the proxy stops.
const shutdownGrace = 5 * time.Second

// listener is one open address.
type listener struct {
	ln  net.Listener
	srv *http.Server
}

func openListener(ctx context.Context, path, addr string, l Limits, h http.Handler, log *slog.Logger) (*listener, error) {
	ln, err := listen.Open(ctx, path, addr)
	if err != nil {
		return nil, err
	}
	log.Info("proxy is served", "addr", ln.Addr().String())
	return &listener{ln: ln, srv: &http.Server{
		Handler:           h,
		ReadHeaderTimeout: cmp.Or(l.HeaderTimeout.Std(), 10*time.Second),
		IdleTimeout:       cmp.Or(l.IdleTimeout.Std(), 2*time.Minute),
		MaxHeaderBytes:    cmp.Or(l.RequestHeader, 64<<10),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext:       forward.ConnContext,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}}, nil
}

// serve blocks until the listener is closed.
func (l *listener) serve() error {
	if err := l.srv.Serve(forward.Listener{Listener: l.ln}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// leave stops listening and lets every stream run to its end.
func (l *listener) leave(ctx context.Context) { _ = l.srv.Shutdown(ctx) }

// stop lets short requests finish and ends the others.
func (l *listener) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shutdownGrace)
	defer cancel()
	if l.srv.Shutdown(ctx) != nil {
		_ = l.srv.Close()
	}
}
