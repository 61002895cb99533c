// Package corpus holds histories of upstreams and what was true at each step of
// them: servers that lose sessions, refuse one call, rotate tokens, answer a
// dead token with 200. A player sends a history's requests through a gateway and
// plays its upstream; a score compares what the gateway said with the truth.
package corpus

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
)

//go:embed histories/*.yaml
var histories embed.FS

// History is a sequence of requests and answers with the truth at each step.
type History struct {
	Name   string `yaml:"name"`
	Source string `yaml:"source"` // the report or specification that it follows
	Family string `yaml:"family"` // histories of one kind, for the summary
	Kind   string `yaml:"kind"`   // of the workload: mcp (the default) or http
	// Config has further keys of the workload: provider, rules, settle, …
	Config map[string]any `yaml:"config"`
	// Unseen: nothing in the answers tells, so that no gateway can see it.
	Unseen bool   `yaml:"unseen"`
	Steps  []Step `yaml:"steps"`

	File string `yaml:"-"`
}

// Step is one thing that happens. Exactly one field is set.
type Step struct {
	Server  *Server       `yaml:"server"`  // from here on the upstream answers so
	Truth   string        `yaml:"truth"`   // of the token that is attached: alive, dead or contradicted
	Token   string        `yaml:"token"`   // the gateway's source holds this one now; the first is A
	Restart bool          `yaml:"restart"` // of the gateway
	Wait    time.Duration `yaml:"wait"`
	Request *Request      `yaml:"request"`
	Try     string        `yaml:"try"` // what a question of the gateway's own must find: accepted, rejected, …
	Expect  *Expect       `yaml:"expect"`
}

// Server says how the upstream answers. The first exception that matches
// decides; else the token does.
type Server struct {
	Accepts    []string `yaml:"accepts"`
	Refusal    Answer   `yaml:"refusal"` // to every other token; a bare 401 if empty
	Exceptions []Row    `yaml:"exceptions"`
	// Sessions: initialize opens one, and other requests need one that is open.
	Sessions bool `yaml:"sessions"`
	// Lost is the answer to a session that is not open; 404 if empty.
	Lost Answer `yaml:"lost"`
	// NoSession is the answer to a request without one, other than initialize; 400 if empty.
	NoSession Answer `yaml:"no_session"`
	// BindSessions: a session belongs to the token that opened it.
	BindSessions bool `yaml:"bind_sessions"`
	// Restarted: the sessions that were open are lost.
	Restarted bool `yaml:"restarted"`
}

// Row is one exception. Empty fields match everything.
type Row struct {
	Method  string   `yaml:"method"`
	Path    string   `yaml:"path"` // glob, below the workload
	RPC     string   `yaml:"rpc"`
	Name    string   `yaml:"name"`    // the tool
	Session string   `yaml:"session"` // any or none
	Tokens  []string `yaml:"tokens"`
	Lacks   string   `yaml:"lacks"` // a header that is not there
	First   int      `yaml:"first"` // only the first N that match
	Every   int      `yaml:"every"` // only each Nth that matches, from the first
	Percent float64  `yaml:"percent"`
	Answer  Answer   `yaml:"answer"`
}

// Answer is one answer of the upstream. Without a body a success is a JSON-RPC
// result, with the request's id, or an empty JSON object.
type Answer struct {
	Status    int               `yaml:"status"`
	Challenge []string          `yaml:"challenge"` // one WWW-Authenticate field each
	Header    map[string]string `yaml:"header"`
	Type      string            `yaml:"type"` // Content-Type; application/json if empty
	Body      string            `yaml:"body"` // $ID is the request's id
	SSE       string            `yaml:"sse"`  // data of a one-event stream; $ID as in Body
	Gzip      bool              `yaml:"gzip"`
}

// Request is what a client sends, Times times, Every apart.
type Request struct {
	Method string            `yaml:"method"` // POST for mcp, GET for http, if empty
	Path   string            `yaml:"path"`   // below the workload; $N is the number of the request
	RPC    string            `yaml:"rpc"`    // JSON-RPC method
	Name   string            `yaml:"name"`   // the tool
	Body   string            `yaml:"body"`
	Header map[string]string `yaml:"header"`
	// Session: last is the one that the upstream opened last, old the one before;
	// anything else is sent as it is.
	Session string        `yaml:"session"`
	Times   int           `yaml:"times"`
	Every   time.Duration `yaml:"every"`
}

// Expect is what must hold at this step. Empty fields are not looked at.
type Expect struct {
	// Verdict is the last that was published: none, accepted, rejected,
	// refused (only some requests), forbidden.
	Verdict string `yaml:"verdict"`
	Reason  string `yaml:"reason"`
	Client  int    `yaml:"client"` // status of the last answer that the client got
	// Alarms is the number of incidents so far, at most.
	Alarms *int `yaml:"alarms"`
}

// Load returns every history, in the order of its files.
func Load() ([]History, error) {
	names, err := fs.Glob(histories, "histories/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list histories: %w", err)
	}
	var all []History
	seen := map[string]string{}
	for _, name := range names {
		data, err := histories.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		var some []History
		if err := yaml.UnmarshalWithOptions(data, &some, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, h := range some {
			h.File = name
			if other, twice := seen[h.Name]; twice {
				return nil, fmt.Errorf("%s: %q is in %s already", name, h.Name, other)
			}
			seen[h.Name] = name
			if err := h.check(); err != nil {
				return nil, fmt.Errorf("%s: %q: %w", name, h.Name, err)
			}
			all = append(all, h)
		}
	}
	return all, nil
}

// Length is how long the history takes in real time, at least.
func (h *History) Length() time.Duration {
	var d time.Duration
	for _, s := range h.Steps {
		d += s.Wait
		if r := s.Request; r != nil {
			d += time.Duration(max(r.Times-1, 0)) * cmp.Or(r.Every, defaultEvery)
		}
	}
	return d
}

// Restarts reports whether the gateway is restarted in it.
func (h *History) Restarts() bool {
	return slices.ContainsFunc(h.Steps, func(s Step) bool { return s.Restart })
}

// defaultEvery is the time between requests that are repeated.
const defaultEvery = 100 * time.Millisecond

func (h *History) check() error {
	if h.Name == "" || h.Source == "" || h.Family == "" {
		return fmt.Errorf("name, source and family are required")
	}
	truth := false
	for i, s := range h.Steps {
		set := 0
		for _, is := range []bool{
			s.Server != nil, s.Truth != "", s.Token != "", s.Restart, s.Wait > 0, s.Request != nil, s.Try != "", s.Expect != nil,
		} {
			if is {
				set++
			}
		}
		if set != 1 {
			return fmt.Errorf("step %d: %d things happen, want one", i+1, set)
		}
		if s.Truth != "" && !slices.Contains([]string{alive, dead, contradicted}, s.Truth) {
			return fmt.Errorf("step %d: the truth is %s, %s or %s, not %q", i+1, alive, dead, contradicted, s.Truth)
		}
		truth = truth || s.Truth != ""
		if s.Request != nil && !truth {
			return fmt.Errorf("step %d: the truth comes before the first request", i+1)
		}
	}
	return nil
}

// What is true of the token that is attached.
const (
	alive = "alive"
	dead  = "dead"
	// contradicted: alive, but the upstream contradicts itself for so long that one
	// alarm is no mistake, and none is none either.
	contradicted = "contradicted"
)
