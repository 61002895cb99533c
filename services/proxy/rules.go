package proxy

import (
	"cmp"
	"io"
	"net/http"
	"strings"
	"time"

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

// readsBody arranges for the body to be copied while it passes, if a rule may
// find something there. What the head says then waits for it.
func (x *exchange) readsBody(resp *http.Response, head verdict.Verdict) bool {
	if x.discovery || resp.Body == http.NoBody ||
		head.Rule != "" || head.Kind != verdict.Nothing && head.Kind != verdict.Accepted {
		return false
	}
	c := x.w.rules.Watch(rule.Of(x.Request.Method, resp), resp.ContentLength)
	if c == nil {
		return false
	}
	if !c.Readable() {
		x.w.unreadable.Do(func() {
			x.w.log.Warn("answers are compressed in a way that rules cannot read; their bodies say nothing", "encoding", resp.Header.Get("Content-Encoding"))
		})
		head = verdict.Verdict{}
	}
	resp.Body = copied{io.TeeReader(resp.Body, c), resp.Body}
	x.unread = &unread{copy: c, head: head}
	return true
}

// bodyPassed judges an answer that the client has got whole.
func (x *exchange) bodyPassed(resp *http.Response) {
	if x.unread == nil {
		return
	}
	v, ok := x.unread.copy.End()
	if !ok {
		v = x.unread.head
	}
	x.observe(time.Now(), resp, v)
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
