package main

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
)

// message is one call of the webhook.
type message struct {
	ID   string          `json:"id"` // the header webhook-id
	At   time.Time       `json:"at"`
	Body json.RawMessage `json:"body"`
}

// world is the MCP servers and the webhook.
type world struct {
	dir string // where the proxy looks for tokens

	mu       sync.Mutex
	servers  map[string]*weather.Server // by workload
	messages []message
}

func (w *world) handler() http.Handler {
	mux := http.NewServeMux()
	call := func(rw http.ResponseWriter, r *http.Request) { w.server(named(r)).ServeHTTP(rw, r) }
	mux.HandleFunc("/mcp", call)
	mux.HandleFunc("/mcp/{workload}", call)
	mux.HandleFunc("POST /hook", w.hook)
	mux.HandleFunc("GET /messages", w.list)
	mux.HandleFunc("POST /revoke", w.revoked)
	mux.HandleFunc("POST /revoke/{workload}", w.revoked)
	mux.HandleFunc("POST /issue", w.issued)
	mux.HandleFunc("POST /issue/{workload}", w.issued)
	return mux
}

// named is the workload that a request is about.
func named(r *http.Request) string { return cmp.Or(r.PathValue("workload"), workload) }

func (w *world) revoked(rw http.ResponseWriter, r *http.Request) {
	w.server(named(r)).Accept("")
	_, _ = fmt.Fprintln(rw, "the MCP server rejects every token now; call it to see what happens")
}

func (w *world) issued(rw http.ResponseWriter, r *http.Request) {
	if err := w.issue(named(r)); err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprintln(rw, "a new token is where the proxy looks")
}

// server is the MCP server of a workload. A new one accepts no token.
func (w *world) server(workload string) *weather.Server {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.servers[workload] == nil {
		w.servers[workload] = weather.NewServer("",
			&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true, DisableLocalhostProtection: true})
	}
	return w.servers[workload]
}

// issue makes a token the accepted one and gives it to the proxy.
func (w *world) issue(workload string) error {
	token := "demo-" + rand.Text()
	w.server(workload).Accept(token)
	file := filepath.Join(w.dir, filepath.Base(workload))
	if err := os.WriteFile(file+".new", []byte(token+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

func (w *world) hook(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 256<<10))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	var event struct {
		Type string       `json:"type"`
		Data events.Alert `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	w.messages = append(w.messages, message{ID: r.Header.Get("Webhook-Id"), At: time.Now(), Body: body})
	w.mu.Unlock()
	fmt.Printf("webhook: %s %s\n%s\n", event.Type, event.Data.Title, event.Data.Text)
	rw.WriteHeader(http.StatusNoContent)
}

func (w *world) list(rw http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(append([]message{}, w.messages...))
}
