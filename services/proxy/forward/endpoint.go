package forward

import (
	"bytes"
	"io"
)

// maxBlock is how much of a stream is held back to look for the first event.
const maxBlock = 8 << 10

// endpointReader rewrites the first event of a legacy HTTP+SSE stream (MCP
// 2024-11-05), which says where to POST to. Everything else passes unchanged, and
// a first event of another name ends the search.
type endpointReader struct {
	from  io.Reader
	local func(ref string) string
	held  []byte // read, and not looked at
	ready []byte // looked at, to be given out
	err   error
	done  bool
}

func newEndpointReader(from io.Reader, local func(string) string) *endpointReader {
	return &endpointReader{from: from, local: local}
}

func (e *endpointReader) Read(p []byte) (int, error) {
	for len(e.ready) == 0 {
		switch {
		case e.done && len(e.held) > 0:
			e.ready, e.held = e.held, nil
		case e.err != nil:
			return 0, e.err
		case e.done:
			return e.from.Read(p)
		default:
			e.fill(len(p))
		}
	}
	n := copy(p, e.ready)
	if e.ready = e.ready[n:]; len(e.ready) == 0 {
		e.ready = nil // a stream may stay open for days
	}
	return n, nil
}

func (e *endpointReader) fill(size int) {
	buf := make([]byte, max(min(size, 1<<10), 1))
	n, err := e.from.Read(buf)
	e.held = append(e.held, buf[:n]...)
	for !e.done {
		end := blockEnd(e.held)
		if end < 0 {
			break
		}
		block := e.held[:end]
		e.held = e.held[end:]
		block, e.done = e.rewrite(block)
		e.ready = append(e.ready, block...)
	}
	if err != nil || len(e.held) > maxBlock {
		e.err, e.done = err, true
	}
}

// blockEnd returns the length of the first block with its blank line, or -1.
func blockEnd(b []byte) int {
	end := -1
	for _, sep := range [...]string{"\n\n", "\r\n\r\n", "\r\r"} {
		if i := bytes.Index(b, []byte(sep)); i >= 0 && (end < 0 || i+len(sep) < end) {
			end = i + len(sep)
		}
	}
	return end
}

// rewrite reports whether the block held an event, which ends the search.
func (e *endpointReader) rewrite(block []byte) ([]byte, bool) {
	var name, data, dataLine []byte
	lines := bytes.FieldsFunc(block, func(r rune) bool { return r == '\n' || r == '\r' })
	for _, line := range lines {
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			name = value
		case "data":
			if data != nil {
				return block, true // several lines: no URI
			}
			data, dataLine = append([]byte{}, value...), line
		}
	}
	if data == nil {
		return block, false // a comment, or a retry time
	}
	if string(name) != "endpoint" {
		return block, true
	}
	return bytes.Replace(block, dataLine, []byte("data: "+e.local(string(data))), 1), true
}
