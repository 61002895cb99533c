package forward

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A quiet open stream holds a small buffer; only a stream with data takes a large
// one.
var (
	smallBuffers = sync.Pool{New: func() any { return new([1 << 10]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}
)

// Pass gives the upstream's answer to the client; after 101 it returns when the
// tunnel has ended. Everything is flushed before the upstream is waited for, and
// an answer that is all here goes out in one write.
func (x *Exchange) Pass(resp *http.Response) error {
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return x.tunnel(resp)
	}
	x.body = resp.Body
	x.begin(resp)
	if err := x.copyBody(x.reader(resp), resp); err != nil {
		if errors.Is(err, ErrClientGone) || x.Context().Err() != nil {
			return ErrClientGone
		}
		return fmt.Errorf("%w: %w", ErrCut, err)
	}
	if x.chunked && x.Context().Err() != nil {
		return ErrClientGone // that ended the upstream's answer, not the upstream
	}
	copyTrailers(x.Writer.Header(), resp)
	x.Whole = true
	return nil
}

// begin writes the status and the headers; the first flush sends them.
func (x *Exchange) begin(resp *http.Response) {
	h := x.Writer.Header()
	copyAnswer(h, resp.Header)
	x.Target.localize(h, resp.Request.URL)
	announceTrailers(h, resp)
	modern, unknown := x.Request.ProtoAtLeast(1, 1), resp.ContentLength < 0
	if len(resp.Trailer) > 0 && resp.Request.Method != http.MethodHead && modern {
		delete(h, "Content-Length") // HTTP/1.1 cannot carry both
		unknown = true
	}
	if x.MCP && isStream(resp) {
		delete(h, "Content-Length") // the endpoint event may change it
		unknown = true
	}
	if unknown && modern {
		x.chunked = true
		h["Transfer-Encoding"] = chunked // else a short answer is given a length
	}
	x.Status = resp.StatusCode
	x.Writer.WriteHeader(resp.StatusCode)
	x.pending = true
	x.events.Store(hasEvents(resp))
	if len(resp.Trailer) > 0 || isStream(resp) || unknown && !modern {
		x.flush() // below the first read, the headers would take a stack of twice the size
	}
}

// reader returns what the client is to read.
func (x *Exchange) reader(resp *http.Response) io.Reader {
	if !x.MCP || !isStream(resp) {
		return x.body
	}
	return newEndpointReader(x.body, func(ref string) string { return x.Target.Endpoint(resp.Request.URL, ref) })
}

// isStream reports whether this is an event stream to stay open, which a legacy
// server may be starting with its endpoint event.
func isStream(resp *http.Response) bool {
	return resp.Request.Method == http.MethodGet && resp.StatusCode == http.StatusOK &&
		resp.Header.Get("Content-Encoding") == "" && hasEvents(resp)
}

func hasEvents(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
}

// flush is called by the goroutine that reads the answer's body.
func (x *Exchange) flush() {
	if x.pending && x.out != nil {
		x.pending = false
		if x.out.FlushError() != nil {
			x.cancel(ErrClientGone)
		}
	}
}

func (x *Exchange) copyBody(body io.Reader, resp *http.Response) error {
	if resp.Body == http.NoBody {
		return nil
	}
	// With HTTP/2 the connection is read for all streams together, so nobody
	// can tell when this one waits.
	eager := true
	if resp.ProtoMajor == 1 && x.conn != nil {
		eager = false
		x.conn.read(x)
		defer x.conn.leave(x)
	}
	small := smallBuffers.Get().(*[1 << 10]byte) //nolint:errcheck // the pool holds nothing else
	defer smallBuffers.Put(small)
	var large *[32 << 10]byte
	if resp.ContentLength > int64(len(small)) {
		large = largeBuffers.Get().(*[32 << 10]byte) //nolint:errcheck // as above
	}
	defer func() {
		if large != nil {
			largeBuffers.Put(large)
		}
	}()
	for {
		buf := small[:]
		if large != nil {
			buf = large[:]
		}
		if eager {
			x.flush()
		}
		n, err := body.Read(buf)
		if n > 0 {
			x.progress.Add(1)
			m, werr := x.Writer.Write(buf[:n])
			x.Bytes += int64(m)
			x.pending = true
			if werr != nil {
				return ErrClientGone
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case n == len(small) && large == nil:
			large = largeBuffers.Get().(*[32 << 10]byte) //nolint:errcheck // as above
		case n < len(small) && large != nil && resp.ContentLength < 0:
			largeBuffers.Put(large)
			large = nil
		}
	}
}

func announceTrailers(h http.Header, resp *http.Response) {
	for k := range resp.Trailer {
		h.Add("Trailer", k)
	}
}

// copyTrailers runs after the body, when the trailers are known. Some may not have
// been announced.
func copyTrailers(h http.Header, resp *http.Response) {
	for k, v := range resp.Trailer {
		if len(v) > 0 {
			h[http.TrailerPrefix+k] = v
		}
	}
}

// Discard reads the rest of an answer that the client does not get, so that its
// connection can be used again, if that is soon done.
func (*Exchange) Discard(resp *http.Response) {
	body := resp.Body
	stop := time.AfterFunc(200*time.Millisecond, func() { _ = body.Close() })
	defer stop.Stop()
	small := smallBuffers.Get().(*[1 << 10]byte) //nolint:errcheck // the pool holds nothing else
	defer smallBuffers.Put(small)
	for range 32 {
		if _, err := body.Read(small[:]); err != nil {
			break
		}
	}
	_ = body.Close()
}
