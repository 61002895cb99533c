// Package demo shows the whole path once, with nothing replaced: an MCP server
// and an MCP client of the official SDK, the three services over the embedded
// broker, and a webhook.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/standalone"
)

// Options of the demo.
type Options struct {
	Out   *terminal.Printer
	Once  bool          // end after the recovery
	After time.Duration // how long the token works
}

type demo struct {
	Options
	*narrator
	dir       string
	tokenFile string
	upstream  *weather.Server
	addresses addresses
}

// Run shows the demo until ctx ends, or until the recovery with Once. A step
// that does not happen in time is an error.
func Run(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "authwatch-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d := &demo{Options: o, narrator: newNarrator(o.Out), dir: dir, tokenFile: filepath.Join(dir, "token")}
	ctx, cancel := context.WithCancel(ctx)
	stopped, err := d.bringUp(ctx)
	if err != nil {
		cancel()
		return err
	}
	defer func() { cancel(); <-stopped }()

	d.introduce()
	switch err := d.play(ctx); {
	case errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		d.Line("")
		return err
	}
	if o.Once {
		d.chapter("End of the demo: the 401 was seen, recorded and alerted, and the new token was picked up.")
		return nil
	}
	d.invite()
	return d.linger(ctx)
}

// bringUp starts everything up and returns a channel that is closed when it has
// ended again.
func (d *demo) bringUp(ctx context.Context) (<-chan struct{}, error) {
	token := newToken()
	if err := os.WriteFile(d.tokenFile, []byte(token+"\n"), 0o600); err != nil {
		return nil, err
	}
	d.upstream = weather.NewServer(token, nil)
	d.upstream.OnReject(func(r *http.Request, at time.Time) {
		d.tell(moment{kind: rejected, at: at, text: "the server refuses " + r.Method + " " + r.URL.Path + " with error=\"invalid_token\""})
	})
	webhook := receiver(func(a events.Alert, at time.Time) {
		d.tell(moment{kind: alert, key: a.Kind, at: at, text: "webhook: " + a.Title, good: a.Kind == events.KindResolved})
	})
	mux := http.NewServeMux()
	mux.Handle("/mcp", d.upstream)
	mux.Handle("/alerts", webhook)
	remote, err := listen(ctx, "127.0.0.1:9400")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(remote) }()

	app, err := d.services(ctx, remote.Addr().String())
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := app.Run(ctx); err != nil {
			d.tell(moment{kind: failed, text: err.Error()})
		}
		_ = server.Close()
	}()
	go d.call(ctx)
	go d.listenTo(ctx)
	return done, nil
}

// services returns authwatch as `authwatch run -c FILE` would start it.
func (d *demo) services(ctx context.Context, remote string) (*standalone.App, error) {
	file, err := d.configure(ctx, remote)
	if err != nil {
		return nil, err
	}
	cfg, err := standalone.Load(file)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(d.dir, "authwatch.log"))
	if err != nil {
		return nil, err
	}
	return standalone.New(standalone.Options{
		Config: cfg, File: file, Log: slog.New(slog.NewTextHandler(log, nil)),
	}), nil
}

// call is the MCP client of the story.
func (d *demo) call(ctx context.Context) {
	client := weather.NewClient("http://" + d.addresses.Proxy + "/weather")
	defer client.Close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		text, err := client.Call(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.tell(moment{kind: refused, text: terminal.Cut("gets "+err.Error(), terminal.Width-textIndent)})
		default:
			d.tell(moment{kind: called, text: weather.Tool + " answers: " + text, good: true})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// newToken is what the server's operator would hand out.
func newToken() string { return "demo-" + rand.Text() }

// listen opens address, or a free port where it is taken.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return lc.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	return l, nil
}
