package verdict

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/redact"
	"github.com/authwatch/authwatch/services/internal/redact/redacttest"
)

func TestChallengesAreParsedAsRFC9110AsksAndForgivinglyBeyond(t *testing.T) {
	t.Parallel()
	type p = Param
	for name, c := range map[string]struct {
		header []string
		want   []Challenge
	}{
		"the example of RFC 9110 section 11.6.1": {
			[]string{`Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\""`},
			[]Challenge{
				{Scheme: "Basic", Params: []p{{"realm", "simple"}}},
				{Scheme: "Newauth", Params: []p{{"realm", "apps"}, {"type", "1"}, {"title", `Login to "apps"`}}},
			},
		},
		"several fields are one list": {
			[]string{`Basic realm="a"`, `Bearer`, `Negotiate YII=`},
			[]Challenge{{Scheme: "Basic", Params: []p{{"realm", "a"}}}, {Scheme: "Bearer"}, {Scheme: "Negotiate", Token68: "YII="}},
		},
		"token68, alone and before others": {
			[]string{`Negotiate abc==, NTLM TlRMTVNTUAAC , Basic realm=x`},
			[]Challenge{{Scheme: "Negotiate", Token68: "abc=="}, {Scheme: "NTLM", Token68: "TlRMTVNTUAAC"}, {Scheme: "Basic", Params: []p{{"realm", "x"}}}},
		},
		"a leading comma and empty elements": {
			[]string{` , ,Bearer realm="x",, error=a,`},
			[]Challenge{{Scheme: "Bearer", Params: []p{{"realm", "x"}, {"error", "a"}}}},
		},
		"names in any case, values as they are": {
			[]string{`bEaReR ReAlM="X"`},
			[]Challenge{{Scheme: "bEaReR", Params: []p{{"realm", "X"}}}},
		},
		"an unterminated quote ends with its line": {
			[]string{`Bearer realm="x, error="`, `Basic realm="y"`},
			[]Challenge{{Scheme: "Bearer", Params: []p{{"realm", "x, error="}}}, {Scheme: "Basic", Params: []p{{"realm", "y"}}}},
		},
		"a backslash at the end": {
			[]string{`Bearer realm="x\`},
			[]Challenge{{Scheme: "Bearer", Params: []p{{"realm", `x\`}}}},
		},
		"a URL without its quotes": {
			[]string{`Bearer resource_metadata=https://x.example/m?a=b, error=c`},
			[]Challenge{{Scheme: "Bearer", Params: []p{{"resource_metadata", "https://x.example/m?a=b"}, {"error", "c"}}}},
		},
		"a sentence without its quotes is cut, and is no scheme": {
			[]string{`Bearer error_description=The token expired, error=invalid_token`},
			[]Challenge{{Scheme: "Bearer", Params: []p{{"error_description", "The"}, {"error", "invalid_token"}}}},
		},
		"commas forgotten between parameters and between challenges": {
			[]string{`Bearer realm="x" error="y" Basic realm="z"`},
			[]Challenge{{Scheme: "Bearer", Params: []p{{"realm", "x"}, {"error", "y"}}}, {Scheme: "Basic", Params: []p{{"realm", "z"}}}},
		},
		"the first of two values of one name counts": {
			[]string{`Bearer error=a, error=b`},
			[]Challenge{{Scheme: "Bearer", Params: []p{{"error", "a"}, {"error", "b"}}}},
		},
		"garbage is passed over": {
			[]string{`{"x": "a, Bearer b"}, ;;;, Bearer error=c, @@@`},
			[]Challenge{{Scheme: "Bearer", Params: []p{{"error", "c"}}}},
		},
		"parameters without a scheme are left out": {
			[]string{`realm="x", error=y, Bearer`},
			[]Challenge{{Scheme: "Bearer"}},
		},
		"nothing":            {nil, nil},
		"white space":        {[]string{" \t "}, nil},
		"only an equal sign": {[]string{"="}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, ParseChallenges(c.header, nil))
		})
	}
}

func TestWhatIsReadOfChallengesIsBounded(t *testing.T) {
	t.Parallel()
	require.Len(t, ParseChallenges([]string{strings.Repeat("Bearer realm=x, ", 1000)}, nil), maxChallenges)
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("S%d realm=x", i)
	}
	require.Len(t, ParseChallenges(many, nil), maxChallenges)
	one := ParseChallenges([]string{"Bearer " + strings.Repeat("a=b,", 1000)}, nil)
	require.Len(t, one, 1)
	require.Len(t, one[0].Params, maxParams)
	long := ParseChallenges([]string{`Bearer realm="` + strings.Repeat("x", 1<<20)}, nil)
	require.LessOrEqual(t, len(long[0].get("realm")), maxBytes)
}

func TestAChallengeInAnEventIsPrintableAndBounded(t *testing.T) {
	t.Parallel()
	c := ParseChallenges([]string{"Bearer error=\"a\x01b\xff\", error_description=\"" + strings.Repeat("long ", 500) + `", scope="r w", realm="x", resource_metadata="https://x.example"`}, nil)
	require.Len(t, c, 1)
	e := c[0].Event()
	require.Equal(t, "Bearer", e.Scheme)
	require.Equal(t, "a b\uFFFD", e.Error)
	require.LessOrEqual(t, utf8.RuneCountInString(e.ErrorDescription), 300)
	require.Equal(t, "r w", e.Scope)
	require.Equal(t, "x", e.Realm)
	require.Equal(t, "https://x.example", e.ResourceMetadata)
}

func TestATokenThatTheServerRepeatsIsNowhereInTheVerdict(t *testing.T) {
	t.Parallel()
	const token = "canary-abc.def"
	secrets := redact.New(token)
	long := strings.Repeat("x", maxBytes-len(`Bearer realm="`)-3)
	for _, field := range []string{
		`Bearer error="invalid_token", error_description="Token canary-abc.def has expired", realm="canary-abc.def"`,
		`Bearer error="canary-abc.def"`,
		`Bearer error=canary-abc.def, scope=canary-abc.def`,
		`Bearer canary-abc.def`,
		`canary-abc.def realm="x"`,
		`Bearer canary-abc.def="x"`,
		`Bearer realm="` + long + token + `"`, // would be cut in two
		`Bearer error="insufficient_scope", scope="a canary-abc.def b"`,
		`Bearer error="invalid_token", error_description="bad token \c\a\n\a\r\y\-\a\b\c\.\d\e\f"`,
	} {
		all := ParseChallenges([]string{field}, secrets)
		v := Judge(Response{Method: "POST", Status: 401, Challenges: all})
		text := fmt.Sprintf("%+v %+v", all, v)
		if v.Challenge != nil {
			text += fmt.Sprintf("%+v", *v.Challenge.Event())
		}
		require.NotContains(t, text, "canary", field)
		require.NotContains(t, text, "can", field)
	}
	kept := ParseChallenges([]string{`Bearer error="invalid_token", error_description="Token canary-abc.def has expired"`}, secrets)
	require.Equal(t, "Token <redacted> has expired", kept[0].Event().ErrorDescription)
}

func TestATokenInAChallengeIsFoundHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	const token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
	secrets := redact.New(token)
	escape := strings.NewReplacer("\\", "\\\\", `"`, `\"`)
	for _, e := range redacttest.Encodings() {
		for _, name := range []string{"error", "error_description", "realm", "scope", "resource_metadata"} {
			written := escape.Replace(e.Encode(token))
			for _, field := range []string{`Bearer %s="bad token %s"`, `Bearer %s="%s"`} {
				field = fmt.Sprintf(field, name, written)
				all := ParseChallenges([]string{field}, secrets)
				text := fmt.Sprintf("%+v", all)
				if len(all) > 0 {
					text += fmt.Sprintf(" %+v %s", *all[0].Event(), all[0].Event().Reason(""))
				}
				redacttest.RequireNone(t, text, token, e.Name+": "+field)
			}
		}
	}
}

func FuzzParseChallenges(f *testing.F) {
	for _, s := range []string{
		`Bearer realm="x", error="invalid_token"`, `Negotiate abc==, Basic realm="a\"b"`, `, ,Bearer`, `Bearer a="`, `=,"`, `a b c=d e`, "\x00\xff", `Bearer a==b`,
	} {
		f.Add(s, "Basic realm=x")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		all := ParseChallenges([]string{first, second}, nil)
		require.LessOrEqual(t, len(all), maxChallenges)
		for i := range all {
			c := &all[i]
			require.NotEmpty(t, c.Scheme)
			require.LessOrEqual(t, len(c.Params), maxParams)
			require.False(t, c.Token68 != "" && len(c.Params) > 0)
			for _, p := range c.Params {
				require.NotEmpty(t, p.Name)
				require.LessOrEqual(t, len(p.Value), maxBytes)
			}
			e := c.Event()
			for _, s := range []string{e.Scheme, e.Error, e.ErrorDescription, e.Realm, e.Scope, e.ResourceMetadata} {
				require.True(t, utf8.ValidString(s))
				require.NotContains(t, s, "\x00")
			}
		}
		v := Judge(Response{Method: "POST", Status: 401, Challenges: all})
		require.Contains(t, []Kind{Rejected, Forbidden}, v.Kind)
		require.NotEmpty(t, v.Reason)
	})
}
