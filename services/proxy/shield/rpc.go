package shield

import (
	"bytes"
	"encoding/json"
)

// maxBatch bounds how many ids of a batch are answered.
const maxBatch = 1000

// maxID bounds an id that is echoed.
const maxID = 256

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name string `json:"name"`
		URI  string `json:"uri"`
	} `json:"params"`
}

// requestIDs returns the ids that wait for an answer. Notifications have none.
func requestIDs(body []byte) (ids []json.RawMessage, batch bool) {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 {
		return nil, false
	}
	type request struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	var all []request
	if body[0] == '[' {
		batch = true
		if json.Unmarshal(body, &all) != nil {
			return nil, true
		}
	} else {
		var one request
		if json.Unmarshal(body, &one) != nil {
			return nil, false
		}
		all = []request{one}
	}
	for _, m := range all {
		if m.Method != "" && validID(m.ID) && len(ids) < maxBatch {
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
// resource that it names, if body says so. The method of a batch is that of its
// first message.
func Call(body []byte) (method, name string) {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 {
		return "", ""
	}
	var m message
	if body[0] == '[' {
		var all []message
		if json.Unmarshal(body, &all) == nil && len(all) > 0 {
			m = all[0]
		}
	} else if err := json.Unmarshal(body, &m); err != nil {
		return m.Method, ""
	}
	if m.Params.Name == "" {
		m.Params.Name = m.Params.URI
	}
	return m.Method, m.Params.Name
}
