package forward_test

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/forward"
)

func target(t *testing.T, base, mount string) forward.Target {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	return forward.NewTarget(u, mount)
}

func TestPathsAreJoinedWithoutTouchingThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ base, rest, query, want string }{
		{"https://h", "", "", "https://h/"},
		{"https://h/", "", "", "https://h/"},
		{"https://h", "/", "", "https://h/"},
		{"https://h", "//a", "", "https://h//a"},
		{"https://h/mcp", "", "", "https://h/mcp"},
		{"https://h/mcp/", "", "", "https://h/mcp/"},
		{"https://h/mcp/", "/a", "", "https://h/mcp/a"},
		{"https://h/mcp", "/a/../b/.", "", "https://h/mcp/a/../b/."},
		{"https://h/m%2Fcp", "/%61", "", "https://h/m%2Fcp/%61"},
		{"https://h/mcp?key=a%20b", "", "", "https://h/mcp?key=a%20b"},
		{"https://h/mcp?key=1", "/a", "b;c", "https://h/mcp/a?key=1&b;c"},
	} {
		got := target(t, c.base, "/w").URL(c.rest, c.query, c.query != "")
		require.Equal(t, c.want, got.Scheme+"://"+got.Host+got.RequestURI(), "%+v", c)
	}
}

func TestReferencesLeadThroughTheProxy(t *testing.T) {
	t.Parallel()
	const from = "https://h/mcp/a/b"
	for _, c := range []struct{ base, mount, ref, want string }{
		{"https://h/mcp", "/w", "https://h/mcp/x?y=1#z", "/w/x?y=1#z"},
		{"https://h/mcp", "/w", "https://H:443/mcp/x", "/w/x"},
		{"https://h/mcp", "/w", "/mcp", "/w"},
		{"https://h/mcp", "/w", "/mcp/", "/w/"},
		{"https://h/mcp", "", "/mcp", "/"},
		{"https://h/mcp", "", "/mcp/x", "/x"},
		{"https://h/mcp", "/w", "c", "/w/a/c"},
		{"https://h/mcp", "/w", "../c?", "/w/c?"},
		{"https://h", "/w", "/messages?s=1", "/w/messages?s=1"},
		{"https://h", "", "/messages?s=1", "/messages?s=1"},
		{"https://h", "", "//h/x", "/x"},
		{"https://h", "", "https://h//x", "/.//x"},
		// Outside of what is served here: it keeps its meaning, not its form.
		{"https://h/mcp", "/w", "/login", "https://h/login"},
		{"https://h/mcp", "/w", "/mcpx", "https://h/mcpx"},
		{"https://h/mcp", "/w", "https://other/mcp/x", "https://other/mcp/x"},
		{"https://h/mcp", "/w", "http://h:8080/mcp/x", "http://h:8080/mcp/x"},
		{"https://h/mcp", "/w", "ftp://h/mcp/x", "ftp://h/mcp/x"},
		// A server behind a gateway that ends TLS does not know its own scheme.
		{"https://h/mcp", "/w", "http://h/mcp/x?y", "/w/x?y"},
		{"https://h/mcp", "/w", "http://H:80/mcp/", "/w/"},
		{"https://h/mcp", "", "http://h/mcp/", "/"},
		{"https://h/mcp", "/w", "HTTP://h/login", "http://h/login"},
		{"https://h/mcp", "/w", "http://h/mcp/a/b", "http://h/mcp/a/b"}, // it would lead here again
		{"https://h:8443/mcp", "/w", "http://h:8443/mcp/x", "/w/x"},
		{"http://h/mcp", "/w", "https://h/mcp/x", "/w/x"},
		{"http://h/mcp", "/w", "https://h/mcp/a/b", "https://h/mcp/a/b"},
		{"https://h/mcp", "/w", "https://h:8443/mcp", "https://h:8443/mcp"},
		{"https://h/mcp", "/w", "%zz", "%zz"},
	} {
		u, err := url.Parse(from)
		require.NoError(t, err)
		require.Equal(t, c.want, target(t, c.base, c.mount).Local(u, c.ref), "%+v", c)
	}
}

func TestALocationIsRewritten(t *testing.T) {
	t.Parallel()
	up := newWire(t, "HTTP/1.1 307 Temporary Redirect\nDate: x\nLocation: /base/next?a\nContent-Length: 0\n\n")
	f := newFront(t, up.url()+"/base", mounted("/w"))
	got := talk(t, f, "POST /w/a HTTP/1.1\nHost: x\nContent-Length: 0\nConnection: close\n\n")
	require.Contains(t, got, "\nLocation: /w/next?a\n")
}

func TestTheEndpointEventOfALegacyServerLeadsThroughTheProxy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, stream, want string }{
		{"rewritten", "event: endpoint\ndata: /base/messages?s=1\n\nevent: message\ndata: /base/x\n\n", "event: endpoint\ndata: /w/messages?s=1\n\nevent: message\ndata: /base/x\n\n"},
		{"after comments and other fields", ": hi\n\nretry: 5\n\nid: 1\ndata:/base/m\nevent:endpoint\n\n", ": hi\n\nretry: 5\n\nid: 1\ndata: /w/m\nevent:endpoint\n\n"},
		{"only the first event", "data: a\n\nevent: endpoint\ndata: /base/m\n\n", "data: a\n\nevent: endpoint\ndata: /base/m\n\n"},
		{"only events of that name", "event: message\ndata: /base/m\n\n", "event: message\ndata: /base/m\n\n"},
		{"a value that repeats the name", "event: endpoint\ndata: endpoint\n\n", "event: endpoint\ndata: /w/endpoint\n\n"},
		{"a stream that ends early", "event: endpoint\nda", "event: endpoint\nda"},
		{"a first event without end", "data: " + strings.Repeat("x", 20<<10), "data: " + strings.Repeat("x", 20<<10)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, eol := range []string{"\n", "\r\n", "\r"} {
				for _, slow := range []bool{false, true} {
					var in io.Reader = strings.NewReader(strings.ReplaceAll(c.stream, "\n", eol))
					if slow {
						in = iotest.OneByteReader(in)
					}
					u, err := url.Parse("https://h/base/sse")
					require.NoError(t, err)
					r := forward.NewEndpointReader(in, func(ref string) string {
						return target(t, "https://h/base", "/w").Local(u, ref)
					})
					got, err := io.ReadAll(r)
					require.NoError(t, err)
					require.Equal(t, strings.ReplaceAll(c.want, "\n", eol), string(got))
				}
			}
		})
	}
}

func TestDotSegmentsThatLeadOutAreFoundInAnyEncoding(t *testing.T) {
	t.Parallel()
	for rest, climbs := range map[string]bool{
		"/a/../b": false, "/a/%2e%2e/b": false, "/..": true, "/a/../..": true, "/%2e%2e/": true, "/.%2e": true, "/%252e%252e": true,
		"/%25zz/%252e%252e/%252e%252e/x": true, "/%zz/../../x": true, "/%25zz/..%2f..%2fx": true, "/a/%zz": false, "/%": false, "/%2": false,
		"/..%00": true, "/..%00.json": true, "/%2e%2e%00/x": true, "/..;a=b/x": true, "/..%3bx/": true, "/..%20/x": true, "/..%09": true,
		"/..\\x": true, "/..%5cx": true, "/..%255cx": true, "/..%c0%afx": true, "/%c0%ae%c0%ae/x": true, "/%u002e%u002e/x": true, "/%u002e./x": true,
		"/..%3fx": true, "/..%23": true, "/%25252e%25252e/": true, "/...": false, "/a..": false, "/..a": false, "/a/b%2F..%2F..%2Fc": false,
		"/a/b%2F..%2F..%2F../c": true, "": false, "/": false, "/%E2%82%AC/..": false,
	} {
		require.Equal(t, climbs, forward.Climbs(rest), rest)
	}
}

func TestTheFirstOfTwoEncodedStepsIsCountedToo(t *testing.T) {
	t.Parallel()
	require.False(t, forward.Climbs("/%25zz/%252e%252e"), "one step up from one step down")
	require.True(t, forward.Climbs("/%25zz/%252e%252e/%252e%252e"))
}

func TestTheUpstreamsOwnQueryNeverComesBack(t *testing.T) {
	t.Parallel()
	const from = "https://h/mcp/a?api_key=s%20x&v=1&q=2"
	for _, c := range []struct{ base, mount, ref, want string }{
		{"https://h/mcp?api_key=s%20x&v=1", "/w", "https://h/mcp/b?api_key=s%20x&v=1", "/w/b"},
		{"https://h/mcp?api_key=s%20x&v=1", "/w", "/mcp/b?api_key=s%20x&v=1&page=2#x", "/w/b?page=2#x"},
		{"https://h/mcp?api_key=s%20x&v=1", "/w", "/mcp/b?page=2&v=1&api_key=s+x", "/w/b?page=2"},
		{"https://h/mcp?api_key=s%20x&v=1", "/w", "", "/w/a?q=2"},
		{"https://h/mcp?api_key=s%20x&v=1", "/w", "?api_key=s%20x&v=1", "/w/a"},
		{"https://h/mcp?api_key=s%20x&v=1", "/w", "http://h/mcp/b?api_key=s%20x", "/w/b"},
		{"https://h?api_key=s%20x&v=1", "", "/b?api_key=s%20x&v=1&z", "/b?z"},
		{"https://h/mcp?api_key=s%20x&v=1", "/w", "/login?api_key=s%20x&v=1&z", "https://h/login?z"},
		{"https://h/mcp?api_key=s%20x&v=1", "/w", "https://login.example/?api_key=s%20x&z#f", "https://login.example/?z#f"},
		{"https://h/mcp?api_key=sx", "/w", "https://login.example/?to=https%3A%2F%2Fh%2Fmcp%3Fapi_key%3Dsx&z", "https://login.example/?to=https%3A%2F%2Fh%2Fmcp&z"},
		{"https://h/mcp?api_key=sx", "/w", "%zz?api_key=sx", "%zz"},
		{"https://h/mcp?api_key=sx", "/w", "/mcp/b?api_key=other", "/w/b?api_key=other"}, // not ours
	} {
		u, err := url.Parse(from)
		require.NoError(t, err)
		require.Equal(t, c.want, target(t, c.base, c.mount).Local(u, c.ref), "%+v", c)
	}
}

func TestNoHeaderOfAnAnswerShowsTheUpstreamsOwnQuery(t *testing.T) {
	t.Parallel()
	up := newWire(t, "HTTP/1.1 307 Temporary Redirect\nDate: x\nLocation: /base/next?api_key=secret&a\nContent-Location: /base/x?api_key=secret\n"+
		"Link: </base/2?api_key=secret&page=2>; rel=next\nRefresh: 1; url=/base?api_key=secret\nContent-Length: 0\n\n")
	f := newFront(t, up.url()+"/base?api_key=secret", mounted("/w"))
	got := talk(t, f, "GET /w/a?z HTTP/1.1\nHost: x\nConnection: close\n\n")
	require.Contains(t, <-up.got, "GET /base/a?api_key=secret&z HTTP/1.1\n")
	require.Contains(t, got, "\nLocation: /w/next?a\n")
	require.Contains(t, got, "\nContent-Location: /w/x\n")
	require.Contains(t, got, "\nLink: </base/2?page=2>; rel=next\n")
	require.NotContains(t, got, "secret")
}

func TestTheEndpointBesideAStreamIsServed(t *testing.T) {
	t.Parallel()
	from, err := url.Parse("https://h/v1/sse?api_key=s")
	require.NoError(t, err)
	for _, c := range []struct{ mount, ref, want, path, upstream string }{
		{"/w", "/v1/messages/?session_id=1", "/w/v1/messages/?session_id=1", "/v1/messages/", "/v1/messages/?api_key=s"},
		{"/w", "/messages?session_id=1&api_key=s", "/w/messages?session_id=1", "/messages", "/messages?api_key=s"},
		{"/w", "messages", "/w/v1/messages", "/v1/messages", "/v1/messages?api_key=s"},
		{"/w", "https://h/m%2F1", "/w/m%2F1", "/m%2F1", "/m%2F1?api_key=s"},
		{"/w", "http://h/m", "/w/m", "/m", "/m?api_key=s"}, // behind a gateway that ends TLS
		{"", "/messages", "/messages", "/messages", "/messages?api_key=s"},
		{"/w", "/v1/sse/messages", "/w/messages", "/messages", "/v1/sse/messages?api_key=s"}, // below the base as ever
	} {
		to := target(t, "https://h/v1/sse?api_key=s", c.mount)
		require.Equal(t, "/v1/sse"+c.path, to.URL(c.path, "", false).EscapedPath(), "before it is named")
		require.Equal(t, c.want, to.Endpoint(from, c.ref))
		require.Equal(t, c.upstream, to.URL(c.path, "", false).RequestURI())
		require.Equal(t, "/v1/sse"+c.path+"x", to.URL(c.path+"x", "", false).EscapedPath(), "and nothing else")
	}
	to := target(t, "https://h/v1/sse", "/w")
	require.Equal(t, "https://other/messages", to.Endpoint(from, "https://other/messages"))
	require.Equal(t, "/v1/sse/messages", to.URL("/messages", "", false).EscapedPath(), "another server names nothing here")
	for i := range 5000 {
		to.Endpoint(from, fmt.Sprintf("/messages/%d", i))
	}
	require.Equal(t, "/messages/4999", to.URL("/messages/4999", "", false).EscapedPath())
	require.Equal(t, "/v1/sse/messages/0", to.URL("/messages/0", "", false).EscapedPath(), "only so many are remembered")
}

func TestAStreamOfKnownLengthIsWholeAlthoughItsEndpointIsRewritten(t *testing.T) {
	t.Parallel()
	const stream = "event: endpoint\ndata: /base/sse/messages\n\n"
	for _, version := range []string{"1.0", "1.1"} {
		up := newWire(t, fmt.Sprintf("HTTP/1.1 200 OK\nDate: x\nContent-Type: text/event-stream\nContent-Length: %d\n\n%s", len(stream)+strings.Count(stream, "\n"), stream))
		f := newFront(t, up.url()+"/base/sse", mounted("/a-longer-name-than-base"))
		got := talk(t, f, "GET /a-longer-name-than-base HTTP/"+version+"\nHost: x\nConnection: close\n\n")
		require.Contains(t, got, "data: /a-longer-name-than-base/messages\n\n", version)
		require.NotContains(t, got, "Content-Length")
		require.NoError(t, <-f.ends)
	}
}
