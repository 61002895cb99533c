package verdict

import "net/http"

// What a challenge of the answer says, as far as it decides.
type said int

const (
	anything said = iota
	invalidToken
	insufficientScope
	challenged // by a challenge of any kind
)

// row is one line of the table. Zero values match everything.
type row struct {
	name     string
	kind     Kind
	from, to int // status, inclusive
	says     said
	method   string
	page     bool // a page that the request did not ask for
}

// table is read from the top; the first row that matches decides, and an answer
// that no row matches says nothing.
var table = []row{
	{name: "preflight", kind: Nothing, from: 0, to: 999, method: http.MethodOptions},
	{name: "proxy authentication", kind: Nothing, from: 407, to: 407},
	{name: "rate limit", kind: Nothing, from: 429, to: 429},
	{name: "invalid token", kind: Rejected, from: 400, to: 499, says: invalidToken},
	{name: "scope, as 401", kind: Forbidden, from: 401, to: 401, says: insufficientScope},
	{name: "scope", kind: Forbidden, from: 403, to: 403, says: insufficientScope},
	{name: "unauthorized", kind: Rejected, from: 401, to: 401},
	// Caches and load balancers answer HEAD themselves.
	{name: "head", kind: Nothing, from: 200, to: 299, method: http.MethodHead},
	// Azure DevOps and others answer so with a page to sign in.
	{name: "in place of the upstream", kind: Nothing, from: 203, to: 203},
	{name: "page", kind: Nothing, from: 200, to: 299, page: true},
	{name: "redirect with a challenge", kind: Rejected, from: 300, to: 399, says: challenged},
	{name: "success", kind: Accepted, from: 200, to: 299},
	{name: "upgrade", kind: Accepted, from: 101, to: 101},
}

func (r *row) matches(a *Response, says said) bool {
	return a.Status >= r.from && a.Status <= r.to &&
		(r.says == anything || r.says == says || r.says == challenged && len(a.Challenges) > 0) &&
		(!r.page || a.isPage()) &&
		(r.method == "" || r.method == a.Method)
}
