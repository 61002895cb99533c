package forward_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const okAnswer = "HTTP/1.1 200 OK\nDate: Tue, 24 Nov 2026 10:00:00 GMT\nContent-Length: 2\n\nok"

func TestARequestReachesTheUpstreamAsItWasSent(t *testing.T) {
	t.Parallel()
	host := strings.Repeat("H", 5)
	for _, c := range []struct{ name, send, want string }{
		{
			"nothing is added but the credential",
			"GET /a HTTP/1.1\nHost: x\nConnection: close\n\n",
			"GET /base/a HTTP/1.1\nHost: " + host + "\nAuthorization: Bearer ours\n\n",
		},
		{
			"the root is the base as it was written",
			"GET / HTTP/1.1\nHost: x\nConnection: close\n\n",
			"GET /base HTTP/1.1\nHost: " + host + "\nAuthorization: Bearer ours\n\n",
		},
		{
			"path and query keep every byte",
			"GET //a//b/%2F%2f/;p=1/c%20d/'(*)!|\"?x&y=&=z;q=%zz&x HTTP/1.1\nHost: x\nConnection: close\n\n",
			"GET /base//a//b/%2F%2f/;p=1/c%20d/'(*)!|\"?x&y=&=z;q=%zz&x HTTP/1.1\nHost: " + host + "\nAuthorization: Bearer ours\n\n",
		},
		{
			"an empty query stays one",
			"GET /a? HTTP/1.1\nHost: x\nConnection: close\n\n",
			"GET /base/a? HTTP/1.1\nHost: " + host + "\nAuthorization: Bearer ours\n\n",
		},
		{
			"absolute form becomes origin form",
			"GET http://x/a?b HTTP/1.1\nHost: x\nConnection: close\n\n",
			"GET /base/a?b HTTP/1.1\nHost: " + host + "\nAuthorization: Bearer ours\n\n",
		},
		{
			"end-to-end headers pass, in order and repeated",
			"GET /a HTTP/1.1\nHost: x\nAccept: a\nAccept: b\nAccept-Encoding: br\nMcp-Session-Id: s\nMcp-Param-X: =?base64?YQ==?=\nUser-Agent: me\nX-Empty:\nConnection: close\n\n",
			"GET /base/a HTTP/1.1\nHost: " + host + "\nUser-Agent: me\nAccept: a\nAccept: b\nAccept-Encoding: br\nAuthorization: Bearer ours\nMcp-Param-X: =?base64?YQ==?=\nMcp-Session-Id: s\nX-Empty: \n\n",
		},
		{
			"what ends at this hop is left out",
			"GET /a HTTP/1.1\nHost: x\nConnection: close, X-Hop, TE\nX-Hop: 1\nKeep-Alive: timeout=5\nProxy-Connection: keep-alive\nTE: trailers, deflate;q=0.5\nUpgrade: h2c\nX-Stay: 1\n\n",
			"GET /base/a HTTP/1.1\nHost: " + host + "\nAuthorization: Bearer ours\nTe: trailers\nX-Stay: 1\n\n",
		},
		{
			"nothing tells of the client or its network",
			"GET /a HTTP/1.1\nHost: x\nAuthorization: Bearer theirs\nAuthorization: Bearer more\nProxy-Authorization: Basic eA==\nCookie: a=b\nForwarded: for=10.0.0.1\nX-Forwarded-For: 10.0.0.1\nX-Forwarded-Host: inside\nX-Forwarded-Proto: http\nConnection: close\n\n",
			"GET /base/a HTTP/1.1\nHost: " + host + "\nAuthorization: Bearer ours\n\n",
		},
		{
			"a chunked body stays chunked, with its trailers",
			"POST /a HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nTrailer: X-Sum\nConnection: close\nContent-Type: application/json\n\n2\n{}\n0\nX-Sum: 1\n\n",
			"POST /base/a HTTP/1.1\nHost: " + host + "\nTransfer-Encoding: chunked\nTrailer: X-Sum\nAuthorization: Bearer ours\nContent-Type: application/json\n\n2\n{}\n0\nX-Sum: 1\n\n",
		},
		{
			"a streamed body stays chunked, with its trailers",
			"POST /a HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nTrailer: X-Sum\nConnection: close\n\n2\n{}\n0\nX-Sum: 1\n\n",
			"POST /base/a HTTP/1.1\nHost: " + host + "\nTransfer-Encoding: chunked\nTrailer: X-Sum\nAuthorization: Bearer ours\n\n2\n{}\n0\nX-Sum: 1\n\n",
		},
		{
			"a body of known length keeps it",
			"POST /a HTTP/1.1\nHost: x\nContent-Length: 2\nConnection: close\n\n{}",
			"POST /base/a HTTP/1.1\nHost: " + host + "\nContent-Length: 2\nAuthorization: Bearer ours\n\n{}",
		},
		{
			"no body stays no body",
			"POST /a HTTP/1.1\nHost: x\nContent-Length: 0\nConnection: close\n\n",
			"POST /base/a HTTP/1.1\nHost: " + host + "\nContent-Length: 0\nAuthorization: Bearer ours\n\n",
		},
		{
			"any method",
			"REPORT /a HTTP/1.1\nHost: x\nConnection: close\n\n",
			"REPORT /base/a HTTP/1.1\nHost: " + host + "\nAuthorization: Bearer ours\n\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			up := newWire(t, okAnswer)
			f := newFront(t, up.url()+"/base")
			talk(t, f, c.send)
			want := strings.ReplaceAll(c.want, host, up.Addr().String())
			require.Equal(t, want, within(t, 5*time.Second, up.got))
		})
	}
}

func TestAnAnswerReachesTheClientAsItWasSent(t *testing.T) {
	t.Parallel()
	const date = "Date: Tue, 24 Nov 2026 10:00:00 GMT\n"
	for _, c := range []struct{ name, answer, want string }{
		{
			"headers pass, in order and repeated, and none is added",
			"HTTP/1.1 200 OK\n" + date + "Set-Cookie: a=1\nSet-Cookie: b=2\nWWW-Authenticate: Bearer\nContent-Length: 2\nX-Empty:\n\nok",
			"HTTP/1.1 200 OK\nContent-Length: 2\n" + date + "Set-Cookie: a=1\nSet-Cookie: b=2\nWww-Authenticate: Bearer\nX-Empty: \nConnection: close\n\nok",
		},
		{
			"what ends at this hop is left out",
			"HTTP/1.1 200 OK\n" + date + "Connection: X-Hop\nX-Hop: 1\nKeep-Alive: timeout=5\nContent-Length: 0\n\n",
			"HTTP/1.1 200 OK\nContent-Length: 0\n" + date + "Connection: close\n\n",
		},
		{
			"packed stays packed",
			"HTTP/1.1 200 OK\n" + date + "Content-Encoding: gzip\nContent-Length: 4\n\n\x1f\x8b\x08\x00",
			"HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 4\n" + date + "Connection: close\n\n\x1f\x8b\x08\x00",
		},
		{
			"an answer of unknown length stays chunked, however short",
			"HTTP/1.1 200 OK\n" + date + "Content-Type: text/event-stream\nTransfer-Encoding: chunked\n\nb\ndata: 1\n\n\n0\n\n",
			"HTTP/1.1 200 OK\nContent-Type: text/event-stream\n" + date + "Connection: close\nTransfer-Encoding: chunked\n\nb\ndata: 1\n\n\n0\n\n",
		},
		{
			"trailers, announced and not",
			"HTTP/1.1 200 OK\n" + date + "Trailer: X-Sum\nTransfer-Encoding: chunked\n\n2\nok\n0\nX-Sum: 1\nX-Late: 2\n\n",
			"HTTP/1.1 200 OK\n" + date + "Trailer: X-Sum\nConnection: close\nTransfer-Encoding: chunked\n\n2\nok\n0\nX-Late: 2\nX-Sum: 1\n\n",
		},
		{
			"interim answers come first",
			"HTTP/1.1 103 Early Hints\nLink: </a>; rel=preload\n\nHTTP/1.1 200 OK\n" + date + "Content-Length: 2\n\nok",
			"HTTP/1.1 103 Early Hints\nLink: </a>; rel=preload\n\nHTTP/1.1 200 OK\nContent-Length: 2\n" + date + "Connection: close\n\nok",
		},
		{
			"a rejection, byte for byte",
			"HTTP/1.1 401 Unauthorized\n" + date + "WWW-Authenticate: Bearer error=\"invalid_token\", resource_metadata=\"https://x/y\"\nWWW-Authenticate: Basic realm=\"a\"\nContent-Type: application/json\nContent-Length: 2\n\n{}",
			"HTTP/1.1 401 Unauthorized\nContent-Length: 2\nContent-Type: application/json\n" + date + "Www-Authenticate: Bearer error=\"invalid_token\", resource_metadata=\"https://x/y\"\nWww-Authenticate: Basic realm=\"a\"\nConnection: close\n\n{}",
		},
		{
			"no content",
			"HTTP/1.1 204 No Content\n" + date + "X: 1\n\n",
			"HTTP/1.1 204 No Content\n" + date + "X: 1\nConnection: close\n\n",
		},
		{
			"an unknown status",
			"HTTP/1.1 499 Odd\n" + date + "Content-Length: 0\n\n",
			"HTTP/1.1 499 status code 499\nContent-Length: 0\n" + date + "Connection: close\n\n",
		},
		{
			"the end of the connection ends the body",
			"HTTP/1.1 200 OK\n" + date + "Connection: close\n\nuntil the end",
			"HTTP/1.1 200 OK\n" + date + "Connection: close\nTransfer-Encoding: chunked\n\nd\nuntil the end\n0\n\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, newWire(t, c.answer).url())
			got := talk(t, f, "GET / HTTP/1.1\nHost: x\nConnection: close\n\n")
			require.Equal(t, c.want, got)
		})
	}
}

func TestAnOldClientIsSpokenToInItsVersion(t *testing.T) {
	t.Parallel()
	up := newWire(t, "HTTP/1.1 103 Early Hints\nLink: </a>\n\nHTTP/1.1 200 OK\nDate: x\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n")
	got := talk(t, newFront(t, up.url()), "GET / HTTP/1.0\n\n")
	require.Equal(t, "HTTP/1.0 200 OK\nDate: x\nConnection: close\n\nok", strings.Replace(got, "HTTP/1.0 200 OK\nDate: x\n\n", "HTTP/1.0 200 OK\nDate: x\nConnection: close\n\n", 1))
}

func TestAnInterimAnswerHasNoFieldsOfItsHop(t *testing.T) {
	t.Parallel()
	up := newWire(t, "HTTP/1.1 103 Early Hints\nLink: </a.css>; rel=preload\nConnection: X-Hop\nX-Hop: 1\nKeep-Alive: timeout=5\nUpgrade: h2c\nProxy-Connection: close\n\nHTTP/1.1 200 OK\nDate: x\nContent-Length: 0\n\n")
	got := talk(t, newFront(t, up.url()), "GET / HTTP/1.1\nHost: x\nConnection: close\n\n")
	hints, _, _ := strings.Cut(got, "\n\n")
	require.Equal(t, "HTTP/1.1 103 Early Hints\nLink: </a.css>; rel=preload", hints)
}

func TestATrailerIsNeverTakenForACredential(t *testing.T) {
	t.Parallel()
	for _, announced := range []string{"X-Sum", "X-Sum, Authorization, Cookie, Host, X-Api-Key, X_api_key", ""} {
		for _, kind := range []string{"application/json", "text/plain"} {
			up := newWire(t, "HTTP/1.1 200 OK\nDate: x\nContent-Length: 0\n\n")
			f := newFront(t, up.url(), func(s *setup) { s.credential = http.Header{"X-Api-Key": {"ours"}} })
			trailer := ""
			if announced != "" {
				trailer = "Trailer: " + announced + "\n"
			}
			talk(t, f, "POST / HTTP/1.1\nHost: x\nConnection: close\nContent-Type: "+kind+"\nTransfer-Encoding: chunked\n"+trailer+
				"\n2\n{}\n0\nX-Sum: 1\nAuthorization: Bearer theirs\nCookie: theirs\nHost: theirs\nX-Api-Key: theirs\nX_api_key: theirs\n\n")
			got := <-up.got
			require.NotContains(t, got, "theirs", announced)
			require.Contains(t, got, "X-Api-Key: ours")
		}
	}
}
