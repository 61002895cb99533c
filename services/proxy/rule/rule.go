// Package rule reads what an upstream says about the credential where HTTP does
// not say it: a sign-in page with status 203, "ok": false in a 200, a tool result
// whose text is "HTTP 401". Rules are data, written by the operator for a
// workload or shipped as a provider's set; without them nothing is looked at.
//
// It is pure, except that [Copy] remembers the body that is shown to it.
package rule

import (
	"net/http"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// Rule is one line of a set. All its conditions have to hold; of those that are
// lists, one value. Every value is a pattern: a * stands for any text, also none,
// and upper and lower case are the same.
type Rule struct {
	Status      config.List            `yaml:"status"` // 200, 4xx
	Header      map[string]config.List `yaml:"header"`
	Location    config.List            `yaml:"location"`
	ContentType config.List            `yaml:"content_type"`

	// At most one of these: they read the body. JSON is by pointer (RFC 6901), in
	// which * is every member of an array or object; XML by the name of an element.
	JSON map[string]config.List `yaml:"json"`
	XML  map[string]config.List `yaml:"xml"`
	// RPCError are codes of a JSON-RPC error, RPCMessage its text.
	RPCError   config.List `yaml:"rpc_error"`
	RPCMessage config.List `yaml:"rpc_message"`
	// ToolError is the text of a result of tools/call with isError.
	ToolError config.List `yaml:"tool_error"`

	Verdict string `yaml:"verdict"` // rejected, forbidden, or nothing: an exception
	Reason  string `yaml:"reason"`  // one word for events; default rule
	// Address names the header that holds where a person has to go.
	Address string `yaml:"address"`
}

// Response is what is known of one before its body.
type Response struct {
	Method string // of the request
	Status int
	Header http.Header
}

// Of is what is known of resp, the answer to a request of the method.
func Of(method string, resp *http.Response) Response {
	return Response{Method: method, Status: resp.StatusCode, Header: resp.Header}
}

// Set is a list of rules, ready to be asked. Nil is one without rules.
type Set struct {
	head, body []compiled
}

// Head returns the verdict of the first rule on status and headers alone that
// holds. These come before all rules that need the body. An answer to OPTIONS is
// about no credential.
func (s *Set) Head(a Response) (verdict.Verdict, bool) {
	if s == nil || a.Method == http.MethodOptions {
		return verdict.Verdict{}, false
	}
	for i := range s.head {
		if r := &s.head[i]; r.matches(a) {
			return r.verdict(a), true
		}
	}
	return verdict.Verdict{}, false
}

// ReadsBodies reports whether there are rules that look into answers at all.
func (s *Set) ReadsBodies() bool { return s != nil && len(s.body) > 0 }

// candidates are the rules that only wait for the body of a.
func (s *Set) candidates(a Response) []*compiled {
	if s == nil {
		return nil
	}
	var some []*compiled
	for i := range s.body {
		if r := &s.body[i]; r.matches(a) {
			some = append(some, r)
		}
	}
	return some
}
