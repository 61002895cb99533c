package rule

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// parse reads rules as they are written in a configuration file.
func parse(t *testing.T, text string) ([]Rule, error) {
	t.Helper()
	var c struct {
		Rules []Rule `yaml:"rules"`
	}
	doc, err := config.Parse("authwatch.yaml", []byte(text), &c)
	if err != nil {
		return nil, err
	}
	return c.Rules, doc.Check("rules", Validate(c.Rules))
}

func set(t *testing.T, rules ...string) *Set {
	t.Helper()
	all, err := parse(t, "rules:\n  - "+strings.Join(rules, "\n  - ")+"\n")
	require.NoError(t, err)
	return New(all, "")
}

func TestAPatternIsTheWholeTextWithStarsForAnything(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"OK", "ok", true},
		{"OK", "not ok", false},
		{"", "", true},
		{"", "x", false},
		{"*", "", true},
		{"*", "anything\nat all", true},
		{"*/login*", "https://x.example/login?next=/", true},
		{"*/login", "https://x.example/login?next=/", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"*Token*Expired*", "the access TOKEN has EXPIRED", true},
		{"a**b", "ab", true},
		{"[a-z]?.+", "[A-Z]?.+", true},
	} {
		require.Equal(t, c.want, newPatterns(config.List{c.pattern}).match(c.text), "%q in %q", c.pattern, c.text)
	}
}

func TestARuleHoldsWhenAllItsConditionsDo(t *testing.T) {
	t.Parallel()
	s := set(t,
		`{status: [200, 203], header: {x-login: ["failed", "denied*"]}, content_type: "text/*", verdict: rejected, reason: login}`,
		`{status: 3xx, location: ["*/login", "*/signin*"], verdict: rejected, reason: redirect}`,
		`{status: 4xx, header: {X-Login: "*"}, verdict: nothing}`,
	)
	answer := func(status int, header ...string) Response {
		a := Response{Method: "GET", Status: status, Header: http.Header{}}
		for i := 0; i < len(header); i += 2 {
			a.Header.Add(header[i], header[i+1])
		}
		return a
	}
	for _, c := range []struct {
		answer Response
		want   string
	}{
		{answer(200, "X-Login", "FAILED", "Content-Type", "text/html"), "rejected login"},
		{answer(203, "X-Login", "denied by rule", "Content-Type", "text/html"), "rejected login"},
		{answer(203, "X-Login", "other", "X-Login", "failed", "Content-Type", "text/html"), "rejected login"},
		{answer(200, "X-Login", "failed", "Content-Type", "application/json"), ""},
		{answer(200, "Content-Type", "text/html"), ""},
		{answer(201, "X-Login", "failed", "Content-Type", "text/html"), ""},
		{answer(302, "Location", "/login"), "rejected redirect"},
		{answer(399, "Location", "/a/signin/b"), "rejected redirect"},
		{answer(302), ""},
		{answer(404, "X-Login", ""), "nothing rule"},
	} {
		v, ok := s.Head(c.answer)
		got := ""
		if ok {
			got = fmt.Sprintf("%s %s", v.Kind, v.Reason)
		}
		require.Equal(t, c.want, got, "%+v", c.answer)
	}
}

func TestWhatIsWrongWithARuleIsToldWithItsLineAndKey(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		`{status: 2000, verdict: rejected}`:                                       `authwatch.yaml:2: rules[0].status: "2000" is not a status; write one such as 200, or a class such as 4xx`,
		`{status: 6xx, verdict: rejected}`:                                        `authwatch.yaml:2: rules[0].status: "6xx" is not a status; write one such as 200, or a class such as 4xx`,
		`{status: 403}`:                                                           `authwatch.yaml:2: rules[0].verdict: "" is not known; write rejected, forbidden or nothing`,
		`{status: 403, verdict: dead}`:                                            `authwatch.yaml:2: rules[0].verdict: "dead" is not known; write rejected, forbidden or nothing`,
		`{verdict: rejected}`:                                                     `authwatch.yaml:2: rules[0]: has no condition; every answer would match`,
		`{status: 200, verdict: rejected}`:                                        `authwatch.yaml:2: rules[0].status: would make every good answer a rejected one; add a condition`,
		`{json: {/a: b}, tool_error: x, verdict: rejected}`:                       `authwatch.yaml:2: rules[0]: has json and tool_error; a rule reads the body in one way`,
		`{json: {error: x}, verdict: rejected}`:                                   `authwatch.yaml:2: rules[0].json.error: is not a JSON pointer; it starts with /, as in /error/code`,
		`{json: {/error: []}, verdict: rejected}`:                                 `authwatch.yaml:2: rules[0].json./error: needs a value; write "*" for any`,
		`{rpc_message: x, verdict: rejected, status: 500}`:                        `authwatch.yaml:2: rules[0].rpc_message: needs rpc_error; write "*" there for any code`,
		`{status: 403, verdict: rejected, reason: Token Revoked}`:                 `authwatch.yaml:2: rules[0].reason: "Token Revoked" is not a reason; write one word of small letters, such as token_revoked`,
		`{status: 403, verdict: rejected, address: X-Go}`:                         `authwatch.yaml:2: rules[0].address: is for verdict: forbidden`,
		`{status: 403, verdict: rejected, headers: {a: b}}`:                       `authwatch.yaml:2: rules[0]: unknown key "headers"; did you mean "header"?`,
		`{status: 403, header: {a: {b: c}}, verdict: rejected}`:                   `authwatch.yaml:2: rules[0].header.a: expected a list, found a mapping`,
		`{status: 403, header: {X-A: yes}, json: {/a: 1}, verdict: nothing}`:      ``,
		`{status: [401, 4xx], xml: {code: [a, b]}, verdict: forbidden}`:           ``,
		`{rpc_error: [-32600, -32001], rpc_message: "*token*", verdict: nothing}`: ``,
	} {
		_, err := parse(t, "rules:\n  - "+rule+"\n")
		if want == "" {
			require.NoError(t, err, rule)
			continue
		}
		require.EqualError(t, err, want, rule)
	}
}

func TestJSONIsReadByPointer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, body string
		want       bool
	}{
		{`/ok: "false"`, `{"ok":false}`, true},
		{`/ok: "false"`, `{"ok":"false"}`, true},
		{`/ok: "false"`, `{"ok":true}`, false},
		{`/code: 190`, `{"code":190}`, true},
		{`/code: 190`, `{"code":1900}`, false},
		{`/code: 190`, `{"a":{"code":190}}`, false},
		{`/error/code: [1, 2]`, `{"error":{"code":2}}`, true},
		{`/error: "*"`, `{"error":{"code":2}}`, true},
		{`/error: "*"`, `{"error":null}`, false},
		{`/error: "*"`, `{}`, false},
		{`/errors/*/code: 5`, `{"errors":[{"code":4},{"code":5}]}`, true},
		{`/errors/1/code: 5`, `{"errors":[{"code":4},{"code":5}]}`, true},
		{`/errors/2/code: 5`, `{"errors":[{"code":4},{"code":5}]}`, false},
		{`/*/code: 5`, `{"x":{"code":5}}`, true},
		{`/a~1b/c~0d: x`, `{"a/b":{"c~d":"x"}}`, true},
		{`/a: b, /c: d`, `{"a":"b","c":"d"}`, true},
		{`/a: b, /c: d`, `{"a":"b","c":"e"}`, false},
		{`/a: "x*z"`, `{"a":"X y Z"}`, true},
		{`/ok: "false"`, "\uFEFF {\"ok\":false}\n", true},
		{`/ok: "false"`, `cb({"ok":false})`, true},
		{`/ok: "false"`, `/**/ a.b[0].c ( {"ok":false} ) ;`, true},
		{`/ok: "false"`, `{"ok":false} {"ok":false}`, false},
		{`/ok: "false"`, `{"ok":false`, false},
		{`/ok: "false"`, `<html>"ok":false</html>`, false},
		{`/ok: "false"`, strings.Repeat(`[`, 20000) + `"ok"`, false},
	} {
		s := set(t, "{json: {"+c.rule+"}, verdict: rejected}")
		a := said{status: 200, body: c.body}
		require.Equal(t, c.want, a.judged(s, 1<<20).Kind == verdict.Rejected, "%s in %.80s", c.rule, c.body)
	}
}

func TestXMLIsReadByElement(t *testing.T) {
	t.Parallel()
	s := set(t, `{xml: {Code: [ExpiredToken, InvalidToken], Type: Sender}, verdict: rejected}`)
	for body, want := range map[string]bool{
		`<?xml version="1.0" encoding="ISO-8859-1"?><E><Type>Sender</Type><Code> expiredtoken </Code></E>`: true,
		`<a:E xmlns:a="x"><a:Type>Sender</a:Type><a:Code><![CDATA[InvalidToken]]></a:Code></a:E>`:          true,
		`<E><Code>ExpiredToken</Code></E>`:                                                    false,
		`<E><Type>Sender</Type><Code>Throttling</Code></E>`:                                   false,
		`<E><Type>Sender</Type><Code><b>ExpiredToken</b></Code></E>`:                          false,
		`<E><Type>Sender</Type><!-- <Code>ExpiredToken</Code> --></E>`:                        false,
		`<E Code="ExpiredToken"><Type>Sender</Type></E>`:                                      false,
		`<!DOCTYPE E [<!ENTITY c "ExpiredToken">]><E><Type>Sender</Type><Code>&c;</Code></E>`: false,
		`{"Code":"ExpiredToken","Type":"Sender"}`:                                             false,
	} {
		a := said{status: 400, kind: "application/xml", body: body}
		require.Equal(t, want, a.judged(s, 1<<20).Kind == verdict.Rejected, body)
	}
}

func TestOnlyWholeAnswersOfErrorSizeAreRead(t *testing.T) {
	t.Parallel()
	s := set(t, `{json: {/ok: "false"}, verdict: rejected}`, `{tool_error: "*401*", verdict: rejected}`)
	kind := func(k string) Response {
		return Response{Method: "POST", Status: 200, Header: http.Header{"Content-Type": {k}}}
	}
	require.NotNil(t, s.Watch(kind("application/problem+json"), 100))
	require.NotNil(t, s.Watch(kind(""), -1))
	require.NotNil(t, s.Watch(kind("text/event-stream"), -1))
	require.Nil(t, s.Watch(kind("application/json"), maxBody+1))
	require.Nil(t, s.Watch(kind("application/json"), 0))
	require.Nil(t, s.Watch(kind("image/png"), 100))
	require.Nil(t, s.Watch(kind("application/octet-stream"), 100))
	get := kind("text/event-stream")
	get.Method = "GET"
	require.Nil(t, s.Watch(get, -1), "a stream that stays open is not read")
	head := kind("application/json")
	head.Method = "HEAD"
	require.Nil(t, s.Watch(head, 100))
	require.Nil(t, (*Set)(nil).Watch(kind("application/json"), 100))
	require.Nil(t, set(t, `{status: 403, json: {/a: b}, verdict: rejected}`).Watch(kind("application/json"), 100))

	fits, over := said{status: 200}, said{status: 200}
	fits.body = `{"ok":false}` + strings.Repeat(" ", maxBody-len(`{"ok":false}`))
	over.body = fits.body + " "
	require.Equal(t, verdict.Rejected, fits.judged(s, 1000).Kind)
	require.Equal(t, verdict.Nothing, over.judged(s, 1000).Kind)
}

func packed(t *testing.T, text string, writer func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := writer(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestCompressedAnswersAreReadFromTheCopy(t *testing.T) {
	t.Parallel()
	s := set(t, `{json: {/ok: "false"}, verdict: rejected}`)
	zip := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	raw := func(w io.Writer) io.WriteCloser {
		f, err := flate.NewWriter(w, flate.BestSpeed)
		require.NoError(t, err)
		return f
	}
	const body = `{"ok":false}`
	for _, c := range []struct {
		encoding string
		body     []byte
		readable bool
		want     verdict.Kind
	}{
		{"identity", []byte(body), true, verdict.Rejected},
		{"gzip", packed(t, body, zip), true, verdict.Rejected},
		{"X-GZIP", packed(t, body, zip), true, verdict.Rejected},
		{"deflate", packed(t, body, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }), true, verdict.Rejected},
		{"deflate", packed(t, body, raw), true, verdict.Rejected},
		{"gzip", packed(t, body+strings.Repeat(" ", maxBody), zip), true, verdict.Nothing}, // unpacks to too much
		{"gzip", packed(t, body, zip)[:12], true, verdict.Nothing},
		{"gzip", []byte(body), true, verdict.Nothing},
		{"br", []byte(body), false, verdict.Nothing},
		{"gzip, br", []byte(body), false, verdict.Nothing},
	} {
		a := Response{Method: "GET", Status: 200, Header: http.Header{"Content-Encoding": {c.encoding}}}
		w := s.Watch(a, int64(len(c.body)))
		require.NotNil(t, w)
		require.Equal(t, c.readable, w.Readable(), c.encoding)
		_, _ = w.Write(c.body)
		v, _ := w.End()
		require.Equal(t, c.want, v.Kind, c.encoding)
	}
}

func TestAnEventStreamIsReadEventByEvent(t *testing.T) {
	t.Parallel()
	s := set(t, `{tool_error: "*401*", verdict: rejected}`)
	const failed = `{"id":1,"result":{"isError":true,"content":[{"type":"text","text":"401"}]}}`
	progress := "event: message\nid: 7\ndata: " + strings.Repeat("x", 1000) + "\n\n"
	for name, c := range map[string]struct {
		body string
		want verdict.Kind
	}{
		"after more than is kept":   {strings.Repeat(progress, 100) + "data: " + failed + "\n\n", verdict.Rejected},
		"with CRLF":                 {"data: {}\r\n\r\ndata:" + failed + "\r\n\r\n", verdict.Rejected},
		"without its empty line":    {"data: " + failed, verdict.Rejected},
		"before others":             {"data: " + failed + "\n\ndata: {\"result\":{}}\n\n", verdict.Rejected},
		"in a comment":              {": " + failed + "\n\n", verdict.Nothing},
		"one event that is too big": {"data: " + strings.Repeat(" ", maxBody) + failed + "\n\n", verdict.Nothing},
		"nothing":                   {"", verdict.Nothing},
	} {
		a := said{method: "POST", status: 200, kind: "text/event-stream", body: c.body}
		for _, n := range []int{1, 3, 4096, 1 << 20} {
			require.Equal(t, c.want, a.judged(s, n).Kind, "%s, %d bytes at a time", name, n)
		}
	}
}

func TestTheOwnRulesComeBeforeTheProviders(t *testing.T) {
	t.Parallel()
	own, err := parse(t, "rules:\n  - {json: {/error: token_revoked, /team: test}, verdict: nothing}\n")
	require.NoError(t, err)
	s := New(own, "slack")
	exception := said{status: 200, body: `{"ok":false,"error":"token_revoked","team":"test"}`}
	require.Equal(t, verdict.Nothing, exception.judged(s, 100).Kind)
	other := said{status: 200, body: `{"ok":false,"error":"token_revoked"}`}
	require.Equal(t, verdict.Rejected, other.judged(s, 100).Kind)
	require.Nil(t, New(nil, ""))
}

func TestAnAddressIsAURLWithoutItsQuery(t *testing.T) {
	t.Parallel()
	s := set(t, `{status: 403, header: {X-Go: "*"}, verdict: forbidden, address: X-Go}`)
	for value, want := range map[string]string{
		"required; url=https://x.example/orgs/a/sso?secret=1": "https://x.example/orgs/a/sso",
		`url="https://x.example/a b"; x`:                      "https://x.example/a%20b",
		"https://user:word@x.example/":                        "",
		"http://x.example/":                                   "",
		"javascript:alert(1)":                                 "",
		"https://":                                            "",
		"https://x.example/%zz":                               "",
	} {
		v, ok := s.Head(Response{Status: 403, Header: http.Header{"X-Go": {value}}})
		require.True(t, ok)
		require.Equal(t, want, v.Address, value)
	}
}

func TestExpiryIsReadStrictly(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	for value, want := range map[string]string{
		"2026-12-31 10:00:00 UTC":   "2026-12-31T10:00:00Z",
		"2026-12-31 10:00:00 +0500": "2026-12-31T05:00:00Z",
		"2026-12-31 10:00:00 -0700": "2026-12-31T17:00:00Z",
		"2026-12-31T10:00:00Z":      "",
		"2026-12-31":                "",
		"2026-12-31 10:00:00":       "",
		"2026-12-31 10:00:00 CET":   "",
		"2026-11-28 08:00:20 UTC":   "", // the time of the answer, as GitHub sends for some tokens
		"2026-11-28 07:00:00 UTC":   "",
		"2126-12-31 10:00:00 UTC":   "",
		"never":                     "",
		"":                          "",
	} {
		at, ok := Expiry(http.Header{"Github-Authentication-Token-Expiration": {value}}, now)
		require.Equal(t, want != "", ok, value)
		if ok {
			require.Equal(t, want, at.Format(time.RFC3339), value)
		}
	}
	_, ok := Expiry(http.Header{}, now)
	require.False(t, ok)
	_, ok = Expiry(http.Header{"Github-Authentication-Token-Expiration": {"2026-12-31 10:00:00 UTC", "2027-12-31 10:00:00 UTC"}}, now)
	require.False(t, ok)
}

func FuzzBody(f *testing.F) {
	for _, all := range answers {
		for _, s := range all {
			f.Add(s.kind, s.body)
		}
	}
	s := New(nil, "")
	for _, name := range names() {
		p := New(nil, name)
		if s == nil {
			s = p
			continue
		}
		s.head, s.body = append(s.head, p.head...), append(s.body, p.body...)
	}
	f.Fuzz(func(t *testing.T, kind, body string) {
		a := said{method: "POST", status: 200, kind: kind, body: body}
		require.Equal(t, a.judged(s, 1), a.judged(s, 1<<20))
	})
}
