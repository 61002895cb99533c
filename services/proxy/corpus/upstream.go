package corpus

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// TokenValue is the value of the token that histories call name.
func TokenValue(name string) string { return "corpus-token-" + name + "-8f2a61d4c07b" }

// upstream plays the server of a history.
type upstream struct {
	mu       sync.Mutex
	server   Server
	matched  []int             // how often each exception matched
	sessions map[string]string // open ones, and the token that opened them
	opened   int
	random   *rand.Rand
}

func newUpstream() *upstream {
	return &upstream{sessions: map[string]string{}, random: rand.New(rand.NewPCG(7, 40))}
}

func (u *upstream) behave(s Server) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.server, u.matched = s, make([]int, len(s.Exceptions))
	if s.Restarted {
		clear(u.sessions)
	}
}

type call struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name string `json:"name"`
	} `json:"params"`
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var c call
	_ = json.Unmarshal(body, &c) // not every body is one
	u.mu.Lock()
	a, session := u.answer(r, c)
	u.mu.Unlock()
	if session != "" {
		w.Header().Set("Mcp-Session-Id", session)
	}
	a.write(w, r, c)
}

func (u *upstream) answer(r *http.Request, c call) (a Answer, opened string) {
	token := tokenName(r.Header.Get("Authorization"))
	session := r.Header.Get("Mcp-Session-Id")
	for i, e := range u.server.Exceptions {
		if !e.matches(r, c, token, session) {
			continue
		}
		u.matched[i]++
		n := u.matched[i]
		if e.First > 0 && n > e.First || e.Every > 0 && (n-1)%e.Every != 0 ||
			e.Percent > 0 && u.random.Float64()*100 >= e.Percent {
			continue
		}
		return e.Answer, u.open(c, e.Answer, token)
	}
	switch {
	case !slices.Contains(u.server.Accepts, token):
		a = u.server.Refusal
		a.Status = cmp.Or(a.Status, http.StatusUnauthorized)
		return a, ""
	case !u.server.Sessions || c.Method == "initialize":
	case session == "":
		a = u.server.NoSession
		a.Status = cmp.Or(a.Status, http.StatusBadRequest)
		return a, ""
	default:
		if owner, ok := u.sessions[session]; !ok || u.server.BindSessions && owner != token {
			a = u.server.Lost
			a.Status = cmp.Or(a.Status, http.StatusNotFound)
			return a, ""
		}
	}
	return Answer{}, u.open(c, Answer{}, token)
}

// open opens a session where the call asks for one and is let in.
func (u *upstream) open(c call, a Answer, token string) string {
	if !u.server.Sessions || c.Method != "initialize" || a.Status >= http.StatusMultipleChoices {
		return ""
	}
	u.opened++
	s := "session-" + strconv.Itoa(u.opened)
	u.sessions[s] = token
	return s
}

func tokenName(authorization string) string {
	name, ok := strings.CutPrefix(authorization, "Bearer corpus-token-")
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, "-")
	return name
}

func (e *Row) matches(r *http.Request, c call, token, session string) bool {
	if e.Path != "" {
		if ok, err := path.Match(e.Path, r.URL.Path); err != nil || !ok {
			return false
		}
	}
	return (e.Method == "" || e.Method == r.Method) &&
		(e.RPC == "" || e.RPC == c.Method) &&
		(e.Name == "" || e.Name == c.Params.Name) &&
		(e.Session == "" || (e.Session == "any") == (session != "")) &&
		(e.Tokens == nil || slices.Contains(e.Tokens, token)) &&
		(e.Lacks == "" || r.Header.Get(e.Lacks) == "")
}

func (a *Answer) write(w http.ResponseWriter, r *http.Request, c call) {
	h := w.Header()
	for _, c := range a.Challenge {
		h.Add("WWW-Authenticate", c)
	}
	for k, v := range a.Header {
		h.Set(k, v)
	}
	status := cmp.Or(a.Status, http.StatusOK)
	body, contentType := a.Body, cmp.Or(a.Type, "application/json")
	switch {
	case a.SSE != "":
		contentType, body = "text/event-stream", "data: "+a.SSE+"\n\n"
	case body == "" && status < 300 && len(c.ID) > 0:
		body = `{"jsonrpc":"2.0","id":$ID,"result":{}}`
	case body == "" && status < 300 && len(c.Method) == 0:
		body = `{}`
	}
	out := []byte(strings.ReplaceAll(body, "$ID", cmp.Or(string(c.ID), "null")))
	if len(out) > 0 {
		h.Set("Content-Type", contentType)
	}
	if a.Gzip {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(out); err != nil || z.Close() != nil {
			panic(fmt.Sprintf("compress an answer: %v", err))
		}
		out = b.Bytes()
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(out)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(out) // a client that left is not this history's concern
	}
}
