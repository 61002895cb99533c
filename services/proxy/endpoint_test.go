package proxy_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A server of MCP 2024-11-05 as the SDKs of the time made it: the stream is at /sse,
// messages go to a place beside it.
func TestALegacyServerAtSSEIsServedWithItsEndpointBesideIt(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	up.handle(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.RequestURI() {
		case "GET /v1/sse?api_key=canary":
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprint(w, "event: endpoint\ndata: /v1/messages/?session_id=s1&api_key=canary\n\n")
		case "POST /v1/messages/?api_key=canary&session_id=s1":
			w.WriteHeader(http.StatusAccepted)
		default:
			http.NotFound(w, r)
		}
	})
	w := newWorld(t, up.URL+"/v1/sse?api_key=canary")
	require.Equal(t, http.StatusNotFound, w.do(http.MethodPost, "/github/v1/messages/?session_id=s1", "{}").status, "nobody named it yet")
	require.Equal(t, "event: endpoint\ndata: /github/v1/messages/?session_id=s1\n\n", w.do(http.MethodGet, "/github", "").body)
	require.Equal(t, http.StatusAccepted, w.do(http.MethodPost, "/github/v1/messages/?session_id=s1", "{}").status)
	require.Equal(t, http.StatusNotFound, w.do(http.MethodPost, "/github/v1/messages/other", "{}").status)
}
