// Package shield writes the answers that the proxy gives itself: what is wrong,
// in the form that the client understands.
//
// MCP clients get a JSON-RPC error with the id of their request. A 401 would
// make three of six known clients start an OAuth dance or refuse to work; with
// a 503 none does, and five show the message.
package shield

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/authwatch/authwatch/services/proxy/mcp"
)

// JSON-RPC error codes, outside the range that JSON-RPC and MCP reserve
// (-32768 to -32000).
const (
	CodeUnauthorized = 4011 // the upstream rejects the workload's credential, or there is none
	CodeUnreachable  = 4012 // the upstream did not answer
	CodeRefused      = 4013 // the proxy does not forward this request
	CodeDoubted      = 4014 // the upstream refused this request; that says nothing about the credential yet
)

// CodeSessionLost says that the upstream does not know the session any more. It
// is the code of the official servers, which clients may know.
const CodeSessionLost = -32001

// Reply is an answer that the proxy itself gives.
type Reply struct {
	Status     int
	Code       int    // of the JSON-RPC error
	Workload   string // empty where it is not known
	Reason     string // machine-readable, in data.reason
	Message    string // for people
	RetryAfter int    // seconds; 0: no such header
	Challenge  string // WWW-Authenticate, for the proxy's own clients
	// Origin is that of the page that may read it; empty: none.
	Origin string
	// Session marks an answer about the session and not about one request: it has
	// the id null, as that of the official servers. With the id of the request the
	// Go SDK takes the error for the result of that call, and keeps the session.
	Session bool
}

// Write sends a, as a JSON-RPC error if rpc is set, else as a problem (RFC 9457).
// body is the request's body if it was read; it gives the ids.
func Write(w http.ResponseWriter, r *http.Request, a Reply, rpc bool, body []byte) int64 {
	h := w.Header()
	clear(h)
	if a.Session {
		body = nil
	}
	var out []byte
	if rpc {
		h.Set("Content-Type", "application/json")
		out = a.jsonRPC(body)
	} else {
		h.Set("Content-Type", "application/problem+json")
		out = a.problem()
	}
	h.Set("Cache-Control", "no-store")
	share(h, a.Origin)
	h.Set("Content-Length", strconv.Itoa(len(out)))
	if a.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(a.RetryAfter))
	}
	if a.Challenge != "" {
		h.Set("WWW-Authenticate", a.Challenge)
	}
	w.WriteHeader(a.Status)
	if r.Method == http.MethodHead {
		return 0
	}
	n, _ := w.Write(out)
	return int64(n)
}

type rpcError struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Error   rpcErrorBody    `json:"error"`
}

type rpcErrorBody struct {
	Code    int     `json:"code"`
	Message string  `json:"message"`
	Data    rpcData `json:"data"`
}

type rpcData struct {
	Workload string `json:"workload,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// jsonRPC answers every request of a batch; with no id to answer it is one
// error with id null (JSON-RPC 2.0 section 5).
func (a Reply) jsonRPC(body []byte) []byte {
	e := rpcErrorBody{Code: a.Code, Message: a.Message, Data: rpcData{a.Workload, a.Reason}}
	ids, batch := mcp.RequestIDs(body)
	if !batch || len(ids) == 0 {
		id := json.RawMessage("null")
		if len(ids) > 0 {
			id = ids[0]
		}
		return encode(rpcError{"2.0", id, e})
	}
	all := make([]rpcError, len(ids))
	for i, id := range ids {
		all[i] = rpcError{"2.0", id, e}
	}
	return encode(all)
}

func (a Reply) problem() []byte {
	return encode(struct {
		Type     string `json:"type"`
		Title    string `json:"title"`
		Status   int    `json:"status"`
		Detail   string `json:"detail,omitempty"`
		Workload string `json:"workload,omitempty"`
	}{"urn:authwatch:problem:" + a.Reason, http.StatusText(a.Status), a.Status, a.Message, a.Workload})
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // only an id could be at fault, and those were checked
		return []byte(`{}`)
	}
	return append(b, '\n')
}
