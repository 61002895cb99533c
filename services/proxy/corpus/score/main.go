// Command score plays the corpus through a gateway that is not authwatch, in
// real time, and prints its precision, recall and delay beside two simple rules.
// docs/truth.md says how to connect one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"time"

	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/proxy/corpus"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) //nolint:forbidigo // the process starts here
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "score:", err)
		os.Exit(1)
	}
}

// options say how the gateway is reached. A command is run by the shell.
type options struct {
	upstream, gateway, token, said, restart, match, kind string
	longest                                              time.Duration
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	f := flag.NewFlagSet("score", flag.ContinueOnError)
	f.StringVar(&o.upstream, "upstream", "127.0.0.1:9400", "address to play the upstream on; the gateway forwards to it")
	f.StringVar(&o.gateway, "gateway", "", "`URL` of the gateway for clients")
	f.StringVar(&o.token, "token-file", "", "`file` that the gateway reads its token from")
	f.StringVar(&o.said, "said", "", "`command` that prints what the gateway says of the token: none, accepted, rejected, refused or forbidden")
	f.StringVar(&o.restart, "restart", "", "`command` that restarts the gateway; without it histories with a restart are left out")
	f.StringVar(&o.match, "match", "", "only histories whose name or family holds this `text`")
	f.StringVar(&o.kind, "kind", "mcp", "only histories of this `kind`: mcp or http")
	f.DurationVar(&o.longest, "longest", time.Minute, "leave out histories that wait longer")
	if err := f.Parse(args); err != nil {
		return fmt.Errorf("read the command line: %w", err)
	}
	if o.gateway == "" || o.token == "" || o.said == "" {
		return errors.New("-gateway, -token-file and -said are required; see -help")
	}
	all, err := corpus.Load()
	if err != nil {
		return fmt.Errorf("load the corpus: %w", err)
	}
	tallies := []*corpus.Tally{{Name: "gateway"}}
	for _, d := range corpus.Naive {
		tallies = append(tallies, &corpus.Tally{Name: d.Name})
	}
	for _, h := range all {
		if o.leavesOut(&h) {
			continue
		}
		_, _ = fmt.Fprintln(out, "playing:", h.Name)
		if err := o.play(ctx, &h, tallies); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	corpus.Print(out, tallies...)
	return nil
}

// leavesOut: what needs keys of authwatch's configuration says nothing about others.
func (o *options) leavesOut(h *corpus.History) bool {
	kind := h.Kind
	if kind == "" {
		kind = "mcp"
	}
	return kind != o.kind || h.Config != nil || h.Length() > o.longest ||
		h.Restarts() && o.restart == "" || !strings.Contains(h.Name+" "+h.Family, o.match)
}

func (o *options) play(ctx context.Context, h *corpus.History, tallies []*corpus.Tally) error {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	p, handler := corpus.NewPlayer(h, client)
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", o.upstream)
	if err != nil {
		return fmt.Errorf("open the upstream: %w", err)
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(ln) }()
	defer func() { _ = s.Close() }()

	g := &gateway{ctx: ctx, o: o}
	g.Use(corpus.TokenValue("A"))
	polling, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { g.poll(polling); close(ended) }()
	_, err = p.Play(ctx, g)
	said := g.Said()
	stop()
	<-ended
	if err = errors.Join(err, g.failed()); err != nil {
		return fmt.Errorf("play it: %w", err)
	}
	p.Score(said, tallies...)
	return nil
}

// gateway is one that is reached with commands.
type gateway struct {
	ctx  context.Context
	o    *options
	said atomic.Pointer[[]corpus.Said]
	err  atomic.Pointer[error]
}

func (g *gateway) failed() error {
	if err := g.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (g *gateway) fail(err error) { g.err.CompareAndSwap(nil, &err) }

// poll notes what the gateway says, each time that it is something else.
func (g *gateway) poll(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var all []corpus.Said
	for {
		out, err := g.command(ctx, g.o.said)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			g.fail(err)
			return
		}
		verdict, reason, _ := strings.Cut(strings.TrimSpace(out), " ")
		if last := len(all) - 1; last < 0 || all[last].Verdict != verdict || all[last].Reason != reason {
			all = append(all, corpus.Said{At: time.Now(), Verdict: verdict, Reason: reason})
			said := append([]corpus.Said(nil), all...)
			g.said.Store(&said)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// A gateway may take a moment to say what it saw.
const (
	pollEvery = 200 * time.Millisecond
	patience  = 2 * time.Second
)

func (g *gateway) command(ctx context.Context, line string) (string, error) {
	out, err := exec.CommandContext(ctx, "sh", "-c", line).Output()
	if err != nil {
		return "", fmt.Errorf("run %q: %w", line, err)
	}
	return string(out), nil
}

func (g *gateway) Use(token string) {
	if err := os.WriteFile(g.o.token, []byte(token), 0o600); err != nil {
		g.fail(err)
	}
	clock.Sleep(g.ctx, patience)
}

func (g *gateway) Restart() {
	if _, err := g.command(g.ctx, g.o.restart); err != nil {
		g.fail(err)
	}
	clock.Sleep(g.ctx, patience)
}

func (g *gateway) URL() string { return strings.TrimSuffix(g.o.gateway, "/") }

func (g *gateway) Said() []corpus.Said {
	clock.Sleep(g.ctx, patience)
	if said := g.said.Load(); said != nil {
		return *said
	}
	return nil
}

func (g *gateway) Try(context.Context) string { return "" }
