package weather

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Client is an MCP client as a program would embed it: it knows the address of
// the proxy and no token.
type Client struct {
	endpoint string
	http     *http.Client
	session  *mcp.ClientSession
	refused  *refusals
}

// NewClient returns a client for the MCP server at endpoint.
func NewClient(endpoint string) *Client {
	refused := &refusals{next: http.DefaultTransport}
	return &Client{endpoint: endpoint, http: &http.Client{Transport: refused}, refused: refused}
}

// Call calls the tool once, and connects first if there is no session.
func (c *Client) Call(ctx context.Context) (string, error) {
	if c.session == nil {
		client := mcp.NewClient(&mcp.Implementation{Name: "demo-client", Version: "1.0.0"}, nil)
		transport := &mcp.StreamableClientTransport{Endpoint: c.endpoint, HTTPClient: c.http}
		session, err := client.Connect(ctx, transport, nil)
		if err != nil {
			return "", c.explain(err)
		}
		c.session = session
	}
	params := &mcp.CallToolParams{Name: Tool, Arguments: map[string]any{"city": "Lisbon"}}
	result, err := c.session.CallTool(ctx, params)
	if err != nil {
		if errors.Is(err, mcp.ErrConnectionClosed) {
			c.Close()
		}
		return "", c.explain(err)
	}
	if len(result.Content) == 1 {
		if text, ok := result.Content[0].(*mcp.TextContent); ok {
			return text.Text, nil
		}
	}
	return "", fmt.Errorf("%s: an answer without text", Tool)
}

// Close ends the session.
func (c *Client) Close() {
	if c.session != nil {
		_ = c.session.Close()
		c.session = nil
	}
}

// explain prefers what the proxy wrote to the SDK's "Service Unavailable".
func (c *Client) explain(err error) error {
	if text := c.refused.take(); text != "" {
		return errors.New(text)
	}
	return err
}

// refusals keeps the message of the last JSON-RPC error that came with an HTTP
// error: the SDK drops the body of a 503, other clients show it.
type refusals struct {
	next http.RoundTripper

	mu   sync.Mutex
	last string
}

func (r *refusals) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil || resp.StatusCode < 400 {
		return resp, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var answer struct {
		Error struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err == nil && json.Unmarshal(body, &answer) == nil && answer.Error.Message != "" {
		r.mu.Lock()
		r.last = fmt.Sprintf("HTTP %d, JSON-RPC error %d: %s", resp.StatusCode, answer.Error.Code, answer.Error.Message)
		r.mu.Unlock()
	}
	return resp, err
}

func (r *refusals) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := r.last
	r.last = ""
	return text
}
