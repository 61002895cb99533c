package demo

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// toolName is the one tool of the demo's server.
const toolName = "get_forecast"

// Upstream is an MCP server behind a bearer token that can be taken away: what
// a remote MCP server looks like to its users. It is an [http.Handler].
type Upstream struct {
	mcp http.Handler

	mu       sync.Mutex
	token    string
	rejected int
	onReject func(r *http.Request, at time.Time)
}

// NewUpstream returns a server that accepts token.
func NewUpstream(token string) *Upstream {
	server := mcp.NewServer(&mcp.Implementation{Name: "weather", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: toolName, Description: "The weather of tomorrow"}, forecast)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	return &Upstream{mcp: handler, token: token}
}

type place struct {
	City string `json:"city" jsonschema:"the city to forecast for"`
}

func forecast(_ context.Context, _ *mcp.CallToolRequest, p place) (*mcp.CallToolResult, any, error) {
	text := fmt.Sprintf("%s: 21 °C, light rain", p.City)
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
}

// Accept makes token the only one that is accepted; the empty token is none.
func (u *Upstream) Accept(token string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.token = token
}

// OnReject has f called for each request that is answered 401, just before.
func (u *Upstream) OnReject(f func(r *http.Request, at time.Time)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.onReject = f
}

// Rejected counts the requests that were answered 401.
func (u *Upstream) Rejected() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.rejected
}

func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if u.authorized(r) {
		u.mcp.ServeHTTP(w, r)
		return
	}
	w.Header().Set("WWW-Authenticate",
		`Bearer realm="weather", error="invalid_token", error_description="The access token was revoked"`)
	http.Error(w, `{"error":"invalid_token"}`, http.StatusUnauthorized)
}

func (u *Upstream) authorized(r *http.Request) bool {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(u.token)) == 1 {
		return true
	}
	u.rejected++
	if u.onReject != nil {
		u.onReject(r, time.Now())
	}
	return false
}
