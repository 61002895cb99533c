package proxy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// eras are the three transports of MCP over HTTP.
var eras = []struct {
	name    string
	version string
	server  func(*mcp.Server) http.Handler
	path    string // below the upstream
	client  func(url string) mcp.Transport
	// deaf: the SDK's server goes on with a call whose client has left.
	deaf bool
}{
	{
		name: "stateful", version: "2025-11-25",
		server: func(s *mcp.Server) http.Handler {
			return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)})
		},
		client: func(url string) mcp.Transport { return &mcp.StreamableClientTransport{Endpoint: url} },
	},
	{
		name: "stateless", version: "2026-07-28", deaf: true,
		server: func(s *mcp.Server) http.Handler {
			return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{Stateless: true})
		},
		client: func(url string) mcp.Transport { return &mcp.StreamableClientTransport{Endpoint: url} },
	},
	{
		name: "legacy SSE",
		server: func(s *mcp.Server) http.Handler {
			return mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return s }, nil)
		},
		path:   "/sse",
		client: func(url string) mcp.Transport { return &mcp.SSEClientTransport{Endpoint: url} },
	},
}

// newServer is an MCP server with a tool that reports progress and one that
// waits until it is cancelled.
func newServer(cancelled chan<- struct{}) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "remote", Version: "1"}, nil)
	type in struct {
		N int `json:"n"`
	}
	mcp.AddTool(s, &mcp.Tool{Name: "count"}, func(ctx context.Context, r *mcp.CallToolRequest, a in) (*mcp.CallToolResult, any, error) {
		for i := range a.N {
			if token := r.Params.GetProgressToken(); token != nil {
				_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: float64(i + 1)})
			}
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprint(a.N)}}}, nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "wait"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ in) (*mcp.CallToolResult, any, error) {
		<-ctx.Done()
		cancelled <- struct{}{}
		return nil, nil, ctx.Err()
	})
	s.AddResource(&mcp.Resource{URI: "note://a", Name: "a"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "note://a", Text: "hello"}}}, nil
	})
	return s
}

// behave uses a server in every way and returns what was seen.
func behave(t *testing.T, transport mcp.Transport, deaf bool, cancelled <-chan struct{}) []string {
	t.Helper()
	var mu sync.Mutex
	var progress []float64
	c := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			mu.Lock()
			defer mu.Unlock()
			progress = append(progress, r.Params.Progress)
		},
	})
	session, err := c.Connect(t.Context(), transport, nil)
	require.NoError(t, err)
	defer func() { _ = session.Close() }()
	seen := []string{"version " + session.InitializeResult().ProtocolVersion}

	tools, err := session.ListTools(t.Context(), nil)
	require.NoError(t, err)
	for _, tool := range tools.Tools {
		seen = append(seen, "tool "+tool.Name)
	}
	params := &mcp.CallToolParams{Name: "count", Arguments: map[string]any{"n": 3}}
	params.SetProgressToken("p")
	result, err := session.CallTool(t.Context(), params)
	require.NoError(t, err)
	seen = append(seen, "result "+result.Content[0].(*mcp.TextContent).Text)
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(progress) == 3 }, 5*time.Second, time.Millisecond)
	slices.Sort(progress)
	seen = append(seen, fmt.Sprint("progress ", progress))

	read, err := session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "note://a"})
	require.NoError(t, err)
	seen = append(seen, "resource "+read.Contents[0].Text)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "wait", Arguments: map[string]any{"n": 0}})
		done <- err
	}()
	time.AfterFunc(50*time.Millisecond, cancel)
	require.Error(t, <-done)
	if deaf {
		return seen
	}
	select {
	case <-cancelled:
		seen = append(seen, "cancelled")
	case <-time.After(5 * time.Second):
		seen = append(seen, "never cancelled")
	}
	return seen
}

func TestEveryEraOfMCPBehavesAsWithoutTheProxy(t *testing.T) {
	t.Parallel()
	for _, e := range eras {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			cancelled := make(chan struct{}, 10)
			handler := e.server(newServer(cancelled))
			var open atomic.Bool // the direct client has no token
			up := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if !open.Load() && r.Header.Get("Authorization") != "Bearer "+goodToken {
					rw.WriteHeader(http.StatusUnauthorized)
					return
				}
				handler.ServeHTTP(rw, r)
			}))
			t.Cleanup(up.CloseClientConnections)
			open.Store(true)
			direct := behave(t, e.client(up.URL+e.path), e.deaf, cancelled)
			open.Store(false)
			w := newWorld(t, up.URL)
			through := behave(t, e.client(w.url("/github"+e.path)), e.deaf, cancelled)
			require.Equal(t, direct, through)
			if e.version != "" {
				require.Contains(t, through, "version "+e.version)
			}
			if !e.deaf {
				require.Contains(t, through, "cancelled")
			}
			w.expect("loaded", "authorized")
		})
	}
}
