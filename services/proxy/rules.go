package proxy

import (
	"cmp"
	"io"
	"net/http"
	"strings"

	"github.com/authwatch/authwatch/services/proxy/rule"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// unread is an answer on its way to the client whose body may say what its head
// does not.
type unread struct {
	copy *rule.Copy
	head verdict.Verdict // holds where no rule does
}

// copied is a body that is shown to somebody else while it is read.
type copied struct {
	io.Reader
	io.Closer
}

// readable takes from what a client accepts the encodings that rules cannot read.
func readable(h http.Header) {
	const name = "Accept-Encoding"
	values, ok := h[name]
	if !ok {
		return
	}
	var kept []string
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		encoding, _, _ := strings.Cut(strings.ToLower(item), ";")
		switch strings.TrimSpace(encoding) {
		case "gzip", "x-gzip", "deflate", "identity":
			kept = append(kept, strings.TrimSpace(item))
		}
	}
	h[name] = []string{cmp.Or(strings.Join(kept, ", "), "identity")}
}
