// Package weather is an MCP server behind a bearer token that can be taken away,
// and a client for it: what a remote MCP server and its users look like.
package weather

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

// Tool is the one tool of the server.
const Tool = "get_forecast"

// Server is the MCP server. It is an [http.Handler].
type Server struct {
	mcp http.Handler

	mu       sync.Mutex
	token    string
	onReject func(r *http.Request, at time.Time)
}

// NewServer returns a server that accepts token.
func NewServer(token string, o *mcp.StreamableHTTPOptions) *Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "weather", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: Tool, Description: "The weather of tomorrow"}, forecast)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, o)
	return &Server{mcp: handler, token: token}
}

type place struct {
	City string `json:"city" jsonschema:"the city to forecast for"`
}

func forecast(_ context.Context, _ *mcp.CallToolRequest, p place) (*mcp.CallToolResult, any, error) {
	text := fmt.Sprintf("%s: 21 °C, light rain", p.City)
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
}

// Accept makes token the only one that is accepted. If it is empty, none is.
func (s *Server) Accept(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// OnReject calls f before each 401.
func (s *Server) OnReject(f func(r *http.Request, at time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onReject = f
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.authorized(r) {
		s.mcp.ServeHTTP(w, r)
		return
	}
	w.Header().Set("WWW-Authenticate",
		`Bearer realm="weather", error="invalid_token", error_description="The access token was revoked"`)
	http.Error(w, `{"error":"invalid_token"}`, http.StatusUnauthorized)
}

func (s *Server) authorized(r *http.Request) bool {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1 {
		return true
	}
	if s.onReject != nil {
		s.onReject(r, time.Now())
	}
	return false
}
