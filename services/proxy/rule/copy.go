package rule

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// maxBody is how much of a body is read, as it comes and once it is unpacked.
// What is larger is no error message.
const maxBody = 64 << 10

// Copy looks at a body while it passes, by the copy that is written to it. It
// holds nothing up and takes nothing away.
type Copy struct {
	answer Response
	rules  []*compiled
	events bool // the body is an event stream

	kept  bytes.Buffer
	large bool
	found *verdict.Verdict
}

// Watch returns a copy to write the body of a to, or nil when no rule could hold
// whatever is in it: then the answer is judged by its head alone.
//
// Event streams are read where they are the answer to a POST, and never where
// they are compressed.
func (s *Set) Watch(a Response, length int64) *Copy {
	if !s.ReadsBodies() || length > maxBody || length == 0 || a.Method == http.MethodHead || a.Method == http.MethodOptions || a.Status == http.StatusSwitchingProtocols {
		return nil
	}
	kind, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	c := &Copy{answer: a, events: kind == "text/event-stream"}
	if c.events && a.Method != http.MethodPost || !c.events && !textual(kind) {
		return nil
	}
	if c.rules = s.candidates(a); len(c.rules) == 0 {
		return nil
	}
	return c
}

func textual(kind string) bool {
	if kind == "" {
		return true
	}
	for _, word := range []string{"json", "xml", "text/", "javascript"} {
		if strings.Contains(kind, word) {
			return true
		}
	}
	return false
}

// Events reports whether the body is an event stream.
func (c *Copy) Events() bool { return c.events }

// Readable reports whether the encoding of the body can be undone. Of an answer
// whose body a rule would have to read and cannot, nothing is known.
func (c *Copy) Readable() bool {
	encoding := c.encoding()
	return encoding == "" || !c.events && unpackers[encoding] != nil
}

func (c *Copy) encoding() string {
	encoding := strings.ToLower(strings.TrimSpace(c.answer.Header.Get("Content-Encoding")))
	if encoding == "identity" {
		return ""
	}
	return encoding
}

// Write takes in the next bytes of the body. It never fails.
func (c *Copy) Write(p []byte) (int, error) {
	n := len(p)
	if c.large || c.found != nil {
		return n, nil
	}
	if !c.events {
		c.keep(p)
		return n, nil
	}
	for len(p) > 0 {
		line := bytes.IndexByte(p, '\n') + 1
		if line == 0 {
			line = len(p)
		}
		c.keep(p[:line])
		p = p[line:]
		if ended := bytes.HasSuffix(c.kept.Bytes(), []byte("\n\n")) || bytes.HasSuffix(c.kept.Bytes(), []byte("\n\r\n")); ended {
			c.event()
		}
	}
	return n, nil
}

// keep remembers p, or forgets everything when it is too much. Of an event
// stream it forgets the event.
func (c *Copy) keep(p []byte) {
	if c.kept.Len()+len(p) > maxBody {
		c.large = true
		c.kept = bytes.Buffer{}
		return
	}
	c.kept.Write(p)
}

// event judges the event that has ended.
func (c *Copy) event() {
	var data []byte
	for line := range bytes.Lines(c.kept.Bytes()) {
		line = bytes.TrimRight(line, "\r\n")
		if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(append(data, bytes.TrimPrefix(value, []byte(" "))...), '\n')
		}
	}
	c.kept.Reset()
	c.judge(bytes.TrimSpace(data))
}

// End returns the verdict of the first rule that holds, once the body has ended.
// A body of which only a part came is not to be judged.
func (c *Copy) End() (verdict.Verdict, bool) {
	switch {
	case c.found != nil || c.large || !c.Readable():
	case c.events:
		c.event()
	default:
		if text, ok := c.unpacked(); ok {
			c.judge(text)
		}
	}
	if c.found == nil {
		return verdict.Verdict{}, false
	}
	return *c.found, true
}

func (c *Copy) judge(text []byte) {
	if len(text) == 0 || c.found != nil {
		return
	}
	d := &document{text: text}
	for _, r := range c.rules {
		if r.content.holds(d) {
			v := r.verdict(c.answer)
			c.found = &v
			return
		}
	}
}

// unpackers undo the encodings that the standard library knows.
var unpackers = map[string]func(packed []byte) (io.Reader, error){
	"gzip": gunzip, "x-gzip": gunzip, "deflate": inflate,
}

func gunzip(packed []byte) (io.Reader, error) { return gzip.NewReader(bytes.NewReader(packed)) }

// inflate reads zlib, as RFC 9110 has it, and the bare deflate that servers send.
func inflate(packed []byte) (io.Reader, error) {
	if r, err := zlib.NewReader(bytes.NewReader(packed)); err == nil {
		return r, nil
	}
	return flate.NewReader(bytes.NewReader(packed)), nil
}

func (c *Copy) unpacked() ([]byte, bool) {
	encoding := c.encoding()
	if encoding == "" {
		return c.kept.Bytes(), true
	}
	from, err := unpackers[encoding](c.kept.Bytes())
	if err != nil {
		return nil, false
	}
	text, err := io.ReadAll(io.LimitReader(from, maxBody+1))
	return text, err == nil && len(text) <= maxBody
}
