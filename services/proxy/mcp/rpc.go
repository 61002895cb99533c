// Package mcp reads what the proxy has to know of the Model Context Protocol:
// the JSON-RPC messages in a request body, and the paths of its authorization.
package mcp

import (
	"bytes"
	"encoding/json"
)

const (
	maxIDs = 1000 // of a batch; the others get no answer
	maxID  = 256  // bytes; a longer one is not repeated
)

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// messages decodes a body: one message, or a batch of them.
func messages(body []byte) (all []message, batch bool) {
	body = bytes.TrimLeft(body, " \t\r\n")
	var err error
	if batch = len(body) > 0 && body[0] == '['; batch {
		err = json.Unmarshal(body, &all)
	} else {
		all = make([]message, 1)
		err = json.Unmarshal(body, &all[0])
	}
	if err != nil {
		return nil, batch
	}
	return all, batch
}

// RequestIDs returns the ids that wait for an answer. Notifications have none.
func RequestIDs(body []byte) (ids []json.RawMessage, batch bool) {
	all, batch := messages(body)
	for _, m := range all {
		if m.Method != "" && validID(m.ID) && len(ids) < maxIDs {
			ids = append(ids, m.ID)
		}
	}
	return ids, batch
}

// validID: a string or a number (JSON-RPC 2.0 section 4).
func validID(id json.RawMessage) bool {
	return len(id) > 0 && len(id) <= maxID && (id[0] == '"' || id[0] == '-' || (id[0] >= '0' && id[0] <= '9'))
}

// Call returns the JSON-RPC method of a request, and the tool, prompt or
// resource that it names. The method of a batch is that of its first message.
// Both are empty if body does not say.
func Call(body []byte) (method, name string) {
	all, _ := messages(body)
	if len(all) == 0 {
		return "", ""
	}
	var params struct {
		Name string `json:"name"`
		URI  string `json:"uri"`
	}
	if len(all[0].Params) > 0 && json.Unmarshal(all[0].Params, &params) != nil {
		return all[0].Method, ""
	}
	if params.Name == "" {
		params.Name = params.URI
	}
	return all[0].Method, params.Name
}
