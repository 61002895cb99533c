package credential

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
)

func section(t *testing.T, text string) Config {
	t.Helper()
	var c Config
	_, err := config.Parse("x.yaml", []byte(text), &c)
	require.NoError(t, err)
	return c
}

func readOnce(t *testing.T, c Config) (*Source, *Snapshot) {
	t.Helper()
	s, err := New(c, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return s, s.Reread(t.Context())
}

// written makes a file with the text in it.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestACredentialIsSentInTheHeadersThatAreConfigured(t *testing.T) {
	t.Parallel()
	const token = "key-0123456789"
	for text, want := range map[string]struct {
		header http.Header
		scheme string
	}{
		`{bearer_token_file: F}`:                                                     {http.Header{"Authorization": {"Bearer " + token}}, ""},
		`{bearer_token_file: F, header: X-API-Key}`:                                  {http.Header{"X-Api-Key": {token}}, "none"},
		`{bearer_token_file: F, header: x_api_key}`:                                  {http.Header{"X_api_key": {token}}, "none"},
		`{bearer_token_file: F, header: X-API-Key, prefix: ""}`:                      {http.Header{"X-Api-Key": {token}}, "none"},
		`{bearer_token_file: F, header: X-Auth, prefix: Bearer}`:                     {http.Header{"X-Auth": {"Bearer " + token}}, "none"},
		`{bearer_token_file: F, header: X-Auth, prefix: "key="}`:                     {http.Header{"X-Auth": {"key=" + token}}, "none"},
		`{bearer_token_file: F, header: Cookie, prefix: "session="}`:                 {http.Header{"Cookie": {"session=" + token}}, "none"},
		`{bearer_token_file: F, prefix: Token}`:                                      {http.Header{"Authorization": {"Token " + token}}, "Token"},
		`{bearer_token_file: F, prefix: "Token "}`:                                   {http.Header{"Authorization": {"Token " + token}}, "Token"},
		`{bearer_token_file: F, prefix: "bearer"}`:                                   {http.Header{"Authorization": {"bearer " + token}}, ""},
		`{bearer_token_file: F, prefix: ""}`:                                         {http.Header{"Authorization": {token}}, "none"},
		`{bearer_token_file: F, headers: [{name: X-API-Key}]}`:                       {http.Header{"Authorization": {"Bearer " + token}, "X-Api-Key": {token}}, ""},
		`{bearer_token_file: F, header: A, headers: [{name: B, value: v}]}`:          {http.Header{"A": {token}, "B": {"v"}}, "none"},
		`{headers: [{name: DD-API-KEY, value_file: F}, {name: B, value: v}]}`:        {http.Header{"Dd-Api-Key": {token}, "B": {"v"}}, "none"},
		`{headers: [{name: Authorization, value_file: F}]}`:                          {http.Header{"Authorization": {"Bearer " + token}}, ""},
		`{basic: {username: me, password_file: F}}`:                                  {http.Header{"Authorization": {"Basic bWU6a2V5LTAxMjM0NTY3ODk="}}, "Basic"},
		`{basic: {username: me, password: "p ä:s"}, headers: [{name: B, value: v}]}`: {http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("me:p ä:s"))}, "B": {"v"}}, "Basic"},
	} {
		for _, content := range []string{token, token + "\n", "\uFEFF" + token + "\r\n"} {
			_, got := readOnce(t, section(t, strings.Replace(text, "F", written(t, content), 1)))
			require.True(t, got.Usable(), "%s: %s", text, got.Detail)
			require.Equal(t, want.header, got.Header(), text)
			require.Equal(t, want.scheme, got.Scheme, text)
			require.Len(t, got.Fingerprint, 12)
		}
	}
}

func TestWhatIsSentInFrontOfATokenMayBeInItsFileOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ section, content, want, detail string }{
		{`{bearer_token_file: F, header: X-API-Key}`, "Bearer abc", "abc", ""},
		{`{bearer_token_file: F, header: X-API-Key}`, "Bearer Bearer abc", "", `it starts with "Bearer " twice`},
		{`{bearer_token_file: F, prefix: Token}`, "token abc", "Token abc", ""},
		{`{bearer_token_file: F, prefix: Token}`, "Token Token abc", "", `it starts with "Token " twice`},
		{`{bearer_token_file: F, prefix: Token}`, "Bearer abc", "", "it contains white space"},
		{`{bearer_token_file: F, header: X-Auth, prefix: "key="}`, "key=abc", "key=abc", ""},
		{`{headers: [{name: X-API-Key, value_file: F}]}`, "Bearer abc", "abc", ""},
		{`{headers: [{name: X-API-Key, value_file: F}]}`, "${KEY}", "", "the value of X-API-Key: it contains a literal ${…}; the variable was never filled in"},
		{`{headers: [{name: X-API-Key, value_file: F}]}`, "a\x00b", "", "the value of X-API-Key: it contains a control character"},
		{`{headers: [{name: X-API-Key, value_file: F}]}`, "X-API-Key: abc", "", "the value of X-API-Key: it contains white space"},
		{`{bearer_token_file: F, header: X-API-Key}`, "a\nb", "", "it has more than one line"},
		{`{bearer_token_file: F, header: X-API-Key}`, "\n", "", "it is empty"},
		{`{basic: {username: me, password_file: F}}`, "${PASSWORD}", "", "it contains a literal ${…}; the variable was never filled in"},
		{`{basic: {username: me, password_file: F}}`, "a\x1bb", "", "it contains a control character"},
		{`{basic: {username: me, password_file: F}}`, "a\nb", "", "it has more than one line"},
		{`{basic: {username: me, password_file: F}}`, "a\xff", "", "it is not UTF-8"},
		{`{basic: {username: me, password_file: F}}`, "Basic bWU6eA==", "", "it is the value of a header; the bare password is enough"},
		{`{basic: {username: me, password_file: F}}`, "Authorization: Basic bWU6eA==", "", "it is a whole header line; the bare token is enough"},
		{`{basic: {username: me, password_file: F}}`, "\n", "", "it is empty"},
	} {
		_, got := readOnce(t, section(t, strings.Replace(c.section, "F", written(t, c.content), 1)))
		require.Equal(t, c.detail, got.Detail, "%+v", c)
		require.Equal(t, c.detail == "", got.Usable(), "%+v", c)
		for _, values := range got.Header() {
			require.Equal(t, []string{c.want}, values, "%+v", c)
		}
	}
}

func TestAChangeOfAnyPartIsANewValue(t *testing.T) {
	t.Parallel()
	first, second := written(t, "first-key-1"), written(t, "second-key-1")
	s, a := readOnce(t, Config{Headers: []Header{{Name: "X-A", ValueFile: first}, {Name: "X-B", ValueFile: second}}})
	require.Equal(t, "file "+first, a.Source)
	require.NoError(t, os.WriteFile(second, []byte("second-key-2"), 0o600))
	require.True(t, ownChanged(s.fields))
	b := s.Reread(t.Context())
	require.Equal(t, a.Generation+1, b.Generation)
	require.NotEqual(t, a.Fingerprint, b.Fingerprint)
	require.Equal(t, a.Generation+1, s.Reread(t.Context()).Generation)
	require.Equal(t, "<redacted> <redacted> <redacted>", b.Secrets().Text("first-key-1 second-key-1 second-key-2"))

	require.NoError(t, os.Remove(second))
	kept := s.Reread(t.Context())
	require.True(t, kept.Usable(), "what was read last stays in use")
	require.Equal(t, "the value of X-B: no such file", kept.Stale)
}

func TestAPasswordIsTakenOutOfTextEncodedToo(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"hunter2", "a long pass phrase", "p"} {
		_, s := readOnce(t, Config{Basic: &Basic{Username: "me@example.com", Password: config.Secret(password)}})
		require.Equal(t, "the configuration", s.Source)
		require.Equal(t, events.Source{Name: "the configuration"}, events.ParseSource(s.Source))
		sent := s.Header().Get("Authorization")
		encoded := strings.TrimPrefix(sent, "Basic ")
		for _, text := range []string{sent, "said " + encoded, strings.TrimRight(encoded, "="), strings.ToLower(encoded), `{"a":"` + encoded + `"}`} {
			require.NotContains(t, strings.ToLower(s.Secrets().Text(text)), strings.ToLower(encoded[:12]), text)
		}
		require.Equal(t, "(<redacted>)", s.Secrets().Text("("+password+")"))
		require.NotContains(t, s.String(), password+":")
	}
}

// A password may be a word, so its fingerprint must not be a quick hash of it.
func TestTheFingerprintOfAPasswordIsOfItsUserToo(t *testing.T) {
	t.Parallel()
	of := func(user, password string) string {
		_, s := readOnce(t, Config{Basic: &Basic{Username: user, Password: config.Secret(password)}})
		return s.Fingerprint
	}
	first := of("a", "secret")
	require.Equal(t, first, of("a", "secret"))
	require.NotEqual(t, of("a", "secret"), of("b", "secret"))
	require.NotEqual(t, of("a", "secret"), of("a", "secret2"))
	require.NotEqual(t, Fingerprint("secret"), of("a", "secret"))
}

func TestAHeaderThatCannotCarryACredentialIsAnError(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{bearer_token_file: /x, header: Host}`:                                           `header: Host cannot carry a credential`,
		`{bearer_token_file: /x, header: content-length}`:                                 `header: Content-Length cannot carry a credential`,
		`{bearer_token_file: /x, header: Connection}`:                                     `header: Connection cannot carry a credential`,
		`{bearer_token_file: /x, header: TE}`:                                             `header: Te cannot carry a credential`,
		`{bearer_token_file: /x, header: transfer-encoding}`:                              `header: Transfer-Encoding cannot carry a credential`,
		`{bearer_token_file: /x, header: Proxy-Authorization}`:                            `header: Proxy-Authorization cannot carry a credential`,
		`{bearer_token_file: /x, header: X-Forwarded-User}`:                               `header: X-Forwarded-User cannot carry a credential`,
		`{bearer_token_file: /x, header: Mcp-Session-Id}`:                                 `header: Mcp-Session-Id cannot carry a credential`,
		`{bearer_token_file: /x, header: Sec-Fetch-Site}`:                                 `header: Sec-Fetch-Site cannot carry a credential`,
		`{bearer_token_file: /x, header: "X-API-Key:"}`:                                   `header: "X-API-Key:" ends with a colon`,
		`{bearer_token_file: /x, header: "X API Key"}`:                                    `header: "X API Key" is not the name of a header`,
		`{bearer_token_file: /x, header: "X-Schlüssel"}`:                                  `is not the name of a header`,
		`{bearer_token_file: /x, header: "X-A\r\nB"}`:                                     `is not the name of a header`,
		`{bearer_token_file: /x, headers: [{name: authorization}]}`:                       `headers[0].name: Authorization is already set by bearer_token_file; a header has one value`,
		`{bearer_token_file: /x, header: X-A, headers: [{name: x-a}]}`:                    `headers[0].name: X-A is already set by header`,
		`{bearer_token_file: /x, header: X-A, headers: [{name: X_A}]}`:                    `headers[0].name: X_a is already set by header`,
		`{bearer_token_file: /x, headers: [{name: A}, {name: a, value: v}]}`:              `headers[1].name: A is already set by headers[0].name`,
		`{bearer_token_file: /x, headers: [{value: v}]}`:                                  `headers[0].name: is required`,
		`{bearer_token_file: /x, headers: [{name: A, value: v, value_file: /y}]}`:         `headers[0].value: is given both as a value and as a file`,
		`{headers: [{name: A}]}`:                                                          `headers[0].value_file: is required`,
		`{headers: [{name: A, value: v}], header: B}`:                                     `header: there is no token to send in it`,
		`{basic: {username: a, password: b}, header: X-A}`:                                `header: is not used: basic is sent as Authorization: Basic`,
		`{basic: {username: a, password: b}, prefix: X}`:                                  `prefix: is not used`,
		`{basic: {username: a, password: b}, headers: [{name: Authorization, value: x}]}`: `headers[0].name: Authorization is already set by basic`,
		`{basic: {username: a, password: b}, headers: [{name: X-A}]}`:                     `headers[0].value_file: is required`,
		`{basic: {username: a, password: b}, bearer_token_file: /x}`:                      `basic: a token has one source, and bearer_token_file is already set`,
		`{basic: {username: a, password: b, password_file: /x}}`:                          `basic.password: is given both as a value and as a file`,
		`{basic: {username: a}}`:                                                          `basic.password_file: is required, or password`,
		`{basic: {password: b}}`:                                                          `basic.username: is required`,
		`{basic: {username: "a:b", password: c}}`:                                         `basic.username: contains a colon`,
		`{basic: {username: "${USER}", password: c}}`:                                     `basic.username: contains a literal ${…}`,
		`{bearer_token_file: /x, prefix: "${P}"}`:                                         `prefix: contains a literal ${…}`,
		`{bearer_token_file: /x, prefix: "a\r\nb"}`:                                       `prefix: contains a character that a header cannot carry`,
		`{bearer_token_file: /x, headers: [{name: A, prefix: "ä"}]}`:                      `headers[0].prefix: contains a character that a header cannot carry`,
	} {
		c := section(t, text)
		problems := c.Validate()
		require.NotEmpty(t, problems, text)
		require.Contains(t, problems[0].Path+": "+problems[0].Text, want, text)
	}
	var c Config
	_, err := config.Parse("x.yaml", []byte("bearer_token_file: /x\nquery: api_key"), &c)
	require.ErrorContains(t, err, "x.yaml:2", "a credential is never sent in a query")
}

func TestAnotherFileIsTriedInTheSameHeaders(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{bearer_token_env: X, header: X-API-Key}`:                                "X-Api-Key: other-key",
		`{oauth2: {token_url: "https://x.example", client_id: a}, prefix: Token}`: "Authorization: Token other-key",
		`{basic: {username: me, password: x}}`:                                    "Authorization: Basic bWU6b3RoZXIta2V5",
		`{headers: [{name: X-A, value: x}]}`:                                      "X-A: other-key",
		`{}`:                                                                      "Authorization: Bearer other-key",
	} {
		_, s := readOnce(t, section(t, text).FromFile(written(t, "other-key")))
		require.True(t, s.Usable(), "%s: %s", text, s.Detail)
		for name, values := range s.Header() {
			require.Equal(t, want, name+": "+values[0])
		}
	}
}
