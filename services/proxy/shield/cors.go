package shield

import "net/http"

// exposed headers are those that a page may read besides the few that it always
// may.
const exposed = "Mcp-Session-Id, WWW-Authenticate, Retry-After"

// share lets a page of origin read the answer (Fetch, CORS protocol).
func share(h http.Header, origin string) {
	h.Set("Vary", "Origin")
	if origin == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", exposed)
}

// preflightAge is how long a browser may remember the answer, in seconds.
const preflightAge = "600"

// WritePreflight tells a browser that pages of the request's Origin may send what
// they ask for. The caller has checked the Origin. Cookies are not among it: the
// proxy removes them.
func WritePreflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	share(h, r.Header.Get("Origin"))
	h.Set("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", r.Header.Get("Access-Control-Request-Method"))
	if wanted := r.Header["Access-Control-Request-Headers"]; len(wanted) > 0 {
		h["Access-Control-Allow-Headers"] = wanted
	}
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	h.Set("Access-Control-Max-Age", preflightAge)
	w.WriteHeader(http.StatusNoContent)
}
