package corpus

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/internal/clock"
)

// Gateway is what is scored.
type Gateway interface { //nolint:interfacebloat // a player needs all of one gateway
	// Use attaches this token from now on.
	Use(token string)
	Restart()
	// URL is where clients reach the workload.
	URL() string
	// Said returns everything that it said so far, in order, once all that
	// follows from the requests before is settled.
	Said() []Said
	// Try asks with a question of its own; empty if it has none.
	Try(ctx context.Context) string
}

// Player plays one history.
type Player struct {
	h       *History
	up      *upstream
	client  *http.Client // of the clients, to the gateway
	spans   []span
	status  int // of the last answer
	naive   [][]Said
	request int
	// sessions are those that the client opened last: newest, the one before.
	sessions [2]string
}

// NewPlayer returns a player of h, and the upstream for the gateway.
func NewPlayer(h *History, client *http.Client) (*Player, http.Handler) {
	p := &Player{h: h, up: newUpstream(), client: client, naive: make([][]Said, len(Naive))}
	return p, p.watched()
}

// watched lets the naive detectors see what the upstream answers to clients and
// gateway alike.
func (p *Player) watched() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own := r.Header.Get("User-Agent") == "authwatch"
		rec := &recorded{ResponseWriter: w}
		p.up.ServeHTTP(rec, r)
		if !own {
			p.see(rec)
		}
	})
}

type recorded struct {
	http.ResponseWriter
	status int
}

func (r *recorded) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (p *Player) see(r *recorded) {
	p.up.mu.Lock()
	defer p.up.mu.Unlock()
	for i, d := range Naive {
		challenge := r.Header().Values("WWW-Authenticate")
		switch {
		case d.Dead(r.status, challenge):
			p.naive[i] = append(p.naive[i], Said{At: time.Now(), Verdict: SaidRejected})
		case d.Alive(r.status, challenge):
			p.naive[i] = append(p.naive[i], Said{At: time.Now(), Verdict: SaidAccepted})
		}
	}
}

// Play plays the history through g. The problems are expectations that did not hold.
func (p *Player) Play(ctx context.Context, g Gateway) (problems []string, err error) {
	for i, s := range p.h.Steps {
		switch {
		case s.Server != nil:
			p.up.behave(*s.Server)
		case s.Truth != "":
			p.spans = append(p.spans, span{from: time.Now(), truth: s.Truth})
		case s.Token != "":
			g.Use(TokenValue(s.Token))
		case s.Restart:
			g.Restart()
		case s.Wait > 0:
			clock.Sleep(ctx, s.Wait)
		case s.Request != nil:
			if err := p.requests(ctx, g.URL(), *s.Request); err != nil {
				return problems, fmt.Errorf("step %d: %w", i+1, err)
			}
		case s.Try != "":
			if got := g.Try(ctx); got != s.Try {
				problems = append(problems, fmt.Sprintf("step %d: its own question finds %q, want %q", i+1, got, s.Try))
			}
		case s.Expect != nil:
			for _, problem := range p.compare(*s.Expect, g.Said()) {
				problems = append(problems, fmt.Sprintf("step %d: %s", i+1, problem))
			}
		}
	}
	return problems, nil
}

func (p *Player) requests(ctx context.Context, base string, r Request) error {
	p.spans[len(p.spans)-1].seen = true
	for n := range cmp.Or(r.Times, 1) {
		if n > 0 {
			clock.Sleep(ctx, cmp.Or(r.Every, defaultEvery))
		}
		if err := p.send(ctx, base, r); err != nil {
			return err
		}
	}
	return nil
}

func (p *Player) send(ctx context.Context, base string, r Request) error {
	p.request++
	method, body := cmp.Or(r.Method, http.MethodGet), r.Body
	if p.h.Kind != "http" && r.Method == "" {
		method = http.MethodPost
	}
	if r.RPC != "" {
		body = fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{"name":%q}}`, p.request, r.RPC, r.Name)
	}
	url := base + strings.ReplaceAll(r.Path, "$N", strconv.Itoa(p.request))
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	if s := p.session(r.Session); s != "" {
		req.Header.Set("Mcp-Session-Id", s)
	}
	for k, v := range r.Header {
		req.Header.Set(k, v)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("send a request: %w", err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	p.status = resp.StatusCode
	if s := resp.Header.Get("Mcp-Session-Id"); s != "" && s != p.sessions[0] {
		p.sessions = [2]string{s, p.sessions[0]}
	}
	return nil
}

// session is one that the client opened, by its name in a history. A gateway may
// open others for questions of its own.
func (p *Player) session(name string) string {
	switch name {
	case "last":
		return p.sessions[0]
	case "old":
		return p.sessions[1]
	}
	return name
}

func (p *Player) compare(e Expect, said []Said) (problems []string) {
	last := Said{Verdict: SaidNothing}
	alarms, bad := 0, false
	for _, s := range said {
		if s.Verdict == SaidForbidden && e.Verdict != SaidForbidden {
			continue
		}
		now := s.Verdict == SaidRejected || s.Verdict == SaidRefused
		if now && !bad {
			alarms++
		}
		bad, last = now, s
	}
	if e.Verdict != "" && e.Verdict != last.Verdict {
		problems = append(problems, fmt.Sprintf("said %s (%s), want %s", last.Verdict, last.Reason, e.Verdict))
	}
	if e.Reason != "" && e.Reason != last.Reason {
		problems = append(problems, fmt.Sprintf("the reason is %q, want %q", last.Reason, e.Reason))
	}
	if e.Client != 0 && e.Client != p.status {
		problems = append(problems, fmt.Sprintf("the client got %d, want %d", p.status, e.Client))
	}
	if e.Alarms != nil && alarms > *e.Alarms {
		problems = append(problems, fmt.Sprintf("%d incidents, want at most %d", alarms, *e.Alarms))
	}
	return problems
}

// Score adds what g said, and what the naive detectors would have, to the
// tallies: first the gateway's, then one for each of [Naive].
func (p *Player) Score(said []Said, tallies ...*Tally) {
	tallies[0].add(p.h, p.spans, said)
	for i, t := range tallies[1:] {
		t.add(p.h, p.spans, p.naive[i])
	}
}
