package forward_test

import (
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
		{"https://h/mcp", "/w", "http://h/mcp/x", "http://h/mcp/x"},
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
