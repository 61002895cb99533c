package probe

import (
	"context"
	"net/http"
	"time"

	"github.com/authwatch/authwatch/services/proxy/verdict"
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

// mcp asks an MCP server: server/discover, which every server of the newest
// revision knows; unless that is accepted, initialize, and ends the session at
// once; if it does not understand that either, it opens the event stream of the
// oldest revision (MCP 2026-07-28, backward compatibility).
//
// A server with sessions may refuse server/discover because it comes without
// one. So initialize, which never has one, is asked before that is believed.
func (q Question) mcp(ctx context.Context) Result {
	discovered := q.call(ctx, "server/discover", discover, http.Header{
		"Mcp-Protocol-Version": {stateless}, "Mcp-Method": {"server/discover"},
	})
	refused := discovered.Verdict.Kind == verdict.Rejected
	if discovered.decided() && !refused {
		return discovered
	}
	a := q.call(ctx, "initialize", initialize, http.Header{})
	switch {
	case a.Verdict.Kind != verdict.Nothing:
		return a
	case refused:
		return discovered
	case a.decided() || ctx.Err() != nil:
		return a
	}
	switch a.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
	default:
		return a
	}
	stream, _ := q.send(ctx, http.MethodGet, "", "", http.Header{"Accept": {"text/event-stream"}})
	if stream.decided() && stream.Err == nil {
		return stream
	}
	return a
}

func (q Question) call(ctx context.Context, rpc, body string, header http.Header) Result {
	header["Content-Type"] = []string{"application/json"}
	header["Accept"] = []string{"application/json, text/event-stream"}
	a, session := q.send(ctx, http.MethodPost, rpc, body, header)
	if session != "" {
		q.end(ctx, session)
	}
	return a
}

// end closes a session that nobody will use, also when ctx is over.
func (q Question) end(ctx context.Context, session string) {
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	q.send(own, http.MethodDelete, "", "", http.Header{
		"Mcp-Session-Id": {session}, "Mcp-Protocol-Version": {stateful},
	})
}
