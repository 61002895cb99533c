package trace

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// sampledFlag is the only trace flag that is set here (W3C Trace Context 1,
// section 3.2.2.5).
const sampledFlag = 1

// spanContext is a traceparent taken apart.
type spanContext struct {
	trace   [16]byte
	span    [8]byte
	sampled bool
}

// parse reads a traceparent of any version that is written like version 00.
func parse(s string) (c spanContext, ok bool) {
	part := strings.Split(s, "-")
	if len(part) != 4 || s != strings.ToLower(s) || part[0] == "ff" {
		return spanContext{}, false
	}
	var version, flags [1]byte
	for i, to := range [][]byte{version[:], c.trace[:], c.span[:], flags[:]} {
		if len(part[i]) != hex.EncodedLen(len(to)) {
			return spanContext{}, false
		}
		if _, err := hex.Decode(to, []byte(part[i])); err != nil {
			return spanContext{}, false
		}
	}
	if c.trace == [16]byte{} || c.span == [8]byte{} {
		return spanContext{}, false
	}
	c.sampled = flags[0]&sampledFlag != 0
	return c, true
}

// String is the traceparent.
func (c spanContext) String() string {
	flags := "-00"
	if c.sampled {
		flags = "-01"
	}
	return "00-" + hex.EncodeToString(c.trace[:]) + "-" + hex.EncodeToString(c.span[:]) + flags
}

// newRoot is a new trace without a span.
func newRoot() spanContext {
	c := spanContext{sampled: true}
	_, _ = rand.Read(c.trace[:]) // never fails: crypto/rand ends the process instead
	return c
}

// child is another span of the same trace.
func (c spanContext) child() spanContext {
	_, _ = rand.Read(c.span[:])
	return c
}
