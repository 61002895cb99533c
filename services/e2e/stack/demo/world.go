package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
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
	accepted map[string]string // the token of each workload; empty: none
	messages []message
}

func (w *world) handler() http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "weather", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "get_forecast", Description: "The weather of tomorrow"}, forecast)
	tools := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true, DisableLocalhostProtection: true})
	mux := http.NewServeMux()
	mux.Handle("/mcp", w.guard(tools))
	mux.Handle("/mcp/{workload}", w.guard(tools))
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
	w.accept(named(r), "")
	_, _ = fmt.Fprintln(rw, "the MCP server rejects every token now; call it to see what happens")
}

func (w *world) issued(rw http.ResponseWriter, r *http.Request) {
	if err := w.issue(named(r)); err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprintln(rw, "a new token is where the proxy looks")
}

type place struct {
	City string `json:"city" jsonschema:"the city to forecast for"`
}

func forecast(_ context.Context, _ *mcp.CallToolRequest, p place) (*mcp.CallToolResult, any, error) {
	text := p.City + ": 21 °C, light rain"
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
}

func (w *world) accept(workload, token string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accepted[workload] = token
}

// issue makes a token the accepted one and gives it to the proxy.
func (w *world) issue(workload string) error {
	token := "demo-" + rand.Text()
	w.accept(workload, token)
	file := filepath.Join(w.dir, filepath.Base(workload))
	if err := os.WriteFile(file+".new", []byte(token+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// guard asks for the token, as a remote MCP server does.
func (w *world) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		token := w.accepted[named(r)]
		w.mu.Unlock()
		if token == "" || subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+token)) != 1 {
			rw.Header().Set("WWW-Authenticate",
				`Bearer realm="weather", error="invalid_token", error_description="The access token was revoked"`)
			http.Error(rw, `{"error":"invalid_token"}`, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(rw, r)
	})
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
