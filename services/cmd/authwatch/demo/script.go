package demo

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/clock"
)

// A step waits for one moment and prints it.
type step struct{ kind, key string }

func (d *demo) introduce() {
	d.Line("%s", d.Bold("authwatch demo"))
	d.Line("")
	d.Line("  MCP client ──► proxy ──► MCP server with a bearer token")
	d.Line("                   └──► event ──► status ──► alert")
	d.Line("")
	d.Line("  %s", d.Dim("One process, all of it real: MCP server and client of the official SDK,"))
	d.Line("  %s", d.Dim("proxy, status and notifier over an embedded NATS server, a webhook."))
}

// invite prints what to look at and what to try.
func (d *demo) invite() {
	d.chapter("It keeps running. Look at:")
	a := d.addresses
	for _, l := range [][2]string{
		{"page", "http://" + a.Status + "/"},
		{"API", "curl http://" + a.Status + "/api/v1/workloads/weather"},
		{"metrics", "http://" + a.ProxyAdmin + "/metrics"},
		{"events", "nats://" + a.NATS + "  (subjects auth.> status.> alert.>)"},
		{"MCP", "http://" + a.Proxy + "/weather  (for a client of your own)"},
		{"command", self() + " why weather" + d.apiFlag()},
		{"log", d.dir + "/authwatch.log"},
	} {
		d.Line("  %-9s %s", l[0], l[1])
	}
	d.Line("\n  Break it:  cd %s; cp token good; echo wrong > token", d.dir)
	d.Line("  Heal it:   cp good token")
	d.Line("\n  Ctrl-C ends it.\n")
}

// play tells the whole story: a working token, its death, a new one.
func (d *demo) play(ctx context.Context) error {
	d.chapter("A client calls a tool through the proxy, once a second. It holds no token.")
	if err := d.peace(ctx); err != nil {
		return err
	}

	d.begin()
	d.upstream.Accept("")
	d.chapter("The server stops accepting the token.")
	first, err := d.await(ctx, rejected, "")
	if err != nil {
		return err
	}
	d.print(first, since(first.at, first.at))
	err = d.expect(ctx, first.at,
		step{refused, ""}, step{event, events.TypeUnauthorized},
		step{status, string(events.StatusUnauthenticated)}, step{alert, events.KindOpened})
	if err != nil {
		return err
	}
	if !clock.Sleep(ctx, d.After/2) {
		return ctx.Err()
	}

	d.begin()
	token := newToken()
	d.upstream.Accept(token)
	d.chapter("Somebody writes a new token to the file. Nothing is restarted.")
	if err := os.WriteFile(d.tokenFile, []byte(token+"\n"), 0o600); err != nil {
		return err
	}
	return d.expect(ctx, d.opened,
		step{event, events.TypeLoaded}, step{event, events.TypeAuthorized},
		step{status, string(events.StatusRunning)}, step{alert, events.KindResolved}, step{called, ""})
}

// peace shows the calls until the time is up. The status has to be running by
// then, or the rest of the story would start from something else.
func (d *demo) peace(ctx context.Context) error {
	d.begin()
	if _, err := d.await(ctx, status, string(events.StatusRunning)); err != nil {
		return err
	}
	for end := d.opened.Add(d.After); time.Now().Before(end); {
		m, err := d.await(ctx, called, "")
		if err != nil {
			return err
		}
		d.print(m, timeOfDay(m.at))
	}
	return nil
}

func (d *demo) expect(ctx context.Context, zero time.Time, steps ...step) error {
	for _, s := range steps {
		m, err := d.await(ctx, s.kind, s.key)
		if err != nil {
			return err
		}
		d.print(m, since(m.at, zero))
	}
	return nil
}

// linger shows what happens, whoever makes it happen, until ctx ends.
func (d *demo) linger(ctx context.Context) error {
	d.begin()
	working := true
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-d.arrivals:
			if m.kind == failed {
				return errors.New(m.text)
			}
			if m.kind == called || m.kind == refused {
				if m.good == working {
					continue
				}
				working = m.good
			}
			if m.kind != rejected {
				d.print(m, timeOfDay(m.at))
			}
		}
	}
}

func timeOfDay(t time.Time) string { return t.Format(time.TimeOnly) }

// self is how to call this program again.
func self() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./services/cmd/authwatch"
	}
	return os.Args[0]
}

func (d *demo) apiFlag() string {
	if d.addresses.Status == usualStatus {
		return ""
	}
	return " --api http://" + d.addresses.Status
}
