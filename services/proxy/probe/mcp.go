package probe

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
)

// The newest revision of MCP, which has no sessions, and the newest that has.
const (
	stateless = "2026-07-28"
	stateful  = "2025-11-25"
)

const (
	discover = `{"jsonrpc":"2.0","id":"authwatch","method":"server/discover","params":{"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"` + stateless + `",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"authwatch","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{}}}}`
	initialize = `{"jsonrpc":"2.0","id":"authwatch","method":"initialize","params":{` +
		`"protocolVersion":"` + stateful + `","capabilities":{},"clientInfo":{"name":"authwatch","version":"1"}}}`
)

// MCP asks an MCP server. It sends server/discover, which every server of the
// newest revision knows. If the answer does not decide, it sends initialize and
// ends the session at once. If the server takes neither, it opens the event
// stream of the oldest revision (MCP 2026-07-28, backward compatibility).
func MCP(ctx context.Context, up Upstream, u *url.URL, token config.Secret) Result {
	p := asker{up: up, url: u, token: token}
	a := p.call(ctx, "server/discover", discover, http.Header{
		"Mcp-Protocol-Version": {stateless}, "Mcp-Method": {"server/discover"},
	})
	if a.decided() {
		return a
	}
	a = p.call(ctx, "initialize", initialize, http.Header{})
	if a.decided() || ctx.Err() != nil {
		return a
	}
	switch a.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
	default:
		return a
	}
	stream, _ := p.send(ctx, http.MethodGet, "", "", http.Header{"Accept": {"text/event-stream"}})
	if stream.decided() && stream.Err == nil {
		return stream
	}
	return a
}

func (p *asker) call(ctx context.Context, rpc, body string, header http.Header) Result {
	header["Content-Type"] = []string{"application/json"}
	header["Accept"] = []string{"application/json, text/event-stream"}
	a, session := p.send(ctx, http.MethodPost, rpc, body, header)
	if session != "" {
		p.end(ctx, session)
	}
	return a
}

// end closes the session, also after ctx has ended.
func (p *asker) end(ctx context.Context, session string) {
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	p.send(own, http.MethodDelete, "", "", http.Header{
		"Mcp-Session-Id": {session}, "Mcp-Protocol-Version": {stateful},
	})
}
