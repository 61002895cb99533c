package probe

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// Expect is what the answer to a good token is like.
type Expect struct {
	Status []int
	// JSON is the pointer (RFC 6901) to a value that is there, and not null, if the
	// token was accepted.
	JSON string
}

// check corrects the verdict on an answer by what is in it. A page to sign in, a
// JSON-RPC error or an answer in place of the upstream's is no acceptance,
// whatever its status is.
func (e Expect) check(a *Result, resp *http.Response) {
	if len(e.Status) > 0 && slices.Contains(e.Status, a.Status) {
		a.Verdict = verdict.Verdict{Kind: verdict.Accepted}
	}
	if a.Verdict.Kind != verdict.Accepted {
		return
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case a.Status == http.StatusNonAuthoritativeInfo && len(e.Status) == 0:
		a.refute("status 203, an answer in place of the upstream's,")
	case len(e.Status) > 0 && !slices.Contains(e.Status, a.Status):
		a.refute(fmt.Sprintf("status %d, which is not expected,", a.Status))
	case kind == "text/html" || kind == "application/xhtml+xml":
		a.refute("an HTML page")
	case e.JSON != "":
		e.checkJSON(a, resp.Body)
	case a.RPC != "":
		a.checkRPC(kind, resp.Body)
	}
}

// refute takes back an acceptance. what the answer is says nothing about the
// token.
func (a *Result) refute(what string) {
	a.Verdict, a.Instead = verdict.Verdict{}, what
}

// checkJSON looks for the value. Where it is missing, the upstream has answered
// somebody it does not know.
func (e Expect) checkJSON(a *Result, body io.Reader) {
	var document any
	if err := json.NewDecoder(io.LimitReader(body, maxBody)).Decode(&document); err != nil {
		a.refute("an answer that is not JSON")
		return
	}
	if !present(document, e.JSON) {
		a.Verdict = verdict.Judge(verdict.Response{Method: a.Method, Status: http.StatusUnauthorized})
		a.Instead = "JSON without " + e.JSON
	}
}

// present reports whether a JSON pointer leads to a value.
func present(document any, pointer string) bool {
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		switch in := document.(type) {
		case map[string]any:
			document = in[unescape.Replace(token)]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(in) {
				return false
			}
			document = in[i]
		default:
			return false
		}
	}
	return document != nil
}

// checkRPC reads the answer to a call. What cannot be read in time is taken for
// what its status says: a stream may be slow.
func (a *Result) checkRPC(kind string, body io.Reader) {
	var message struct {
		Error *struct {
			Code int `json:"code"`
		} `json:"error"`
	}
	text, err := first(kind, io.LimitReader(body, maxBody))
	if err != nil || json.Unmarshal(text, &message) != nil {
		return
	}
	if message.Error != nil {
		a.refute(fmt.Sprintf("JSON-RPC error %d", message.Error.Code))
	}
}

// first returns the first message of an answer, which an event stream may hold.
func first(kind string, body io.Reader) ([]byte, error) {
	if kind != "text/event-stream" {
		return io.ReadAll(body)
	}
	var data []byte
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadBytes('\n')
		line = bytes.TrimRight(line, "\r\n")
		if rest, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, rest...)
		} else if len(line) == 0 && len(bytes.TrimSpace(data)) > 0 {
			return data, nil
		}
		if errors.Is(err, io.EOF) && len(data) > 0 {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
