package proxy_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// breakable is a client whose connections can be cut.
type breakable struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (b *breakable) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			c, err := d.DialContext(ctx, network, addr)
			b.mu.Lock()
			defer b.mu.Unlock()
			b.conns = append(b.conns, c)
			return c, err
		},
	}}
}

func (b *breakable) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.conns = nil
}

func TestAStreamThatBreaksIsResumedThroughTheProxy(t *testing.T) {
	t.Parallel()
	s := mcp.NewServer(&mcp.Implementation{Name: "remote", Version: "1"}, nil)
	goOn := make(chan struct{})
	mcp.AddTool(s, &mcp.Tool{Name: "work"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: 1})
		<-goOn
		_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: 2})
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}, nil, nil
	})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)})
	resumed := make(chan string, 16)
	up := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if id := r.Header.Get("Last-Event-ID"); id != "" {
			resumed <- r.Method + " " + r.Header.Get("Authorization")
		}
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(up.CloseClientConnections)
	w := newWorld(t, up.URL)

	progress := make(chan float64, 16)
	c := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { progress <- r.Params.Progress },
	})
	b := &breakable{}
	session, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: w.url("/github"), HTTPClient: b.client()}, nil)
	require.NoError(t, err)
	defer func() { _ = session.Close() }()

	result := make(chan string, 1)
	go func() {
		params := &mcp.CallToolParams{Name: "work", Arguments: map[string]any{}}
		params.SetProgressToken("p")
		r, err := session.CallTool(t.Context(), params)
		if err != nil {
			result <- err.Error()
			return
		}
		result <- r.Content[0].(*mcp.TextContent).Text
	}()
	require.InDelta(t, 1, await(t, progress), 0)
	b.cut()
	require.Equal(t, "GET Bearer "+goodToken, await(t, resumed), "the client asks for what it missed, with our token")
	close(goOn)
	require.InDelta(t, 2, await(t, progress), 0)
	require.Equal(t, "done", await(t, result))
}

func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(15 * time.Second):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}
