package rule

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// said is one answer of a service, and what its provider's rules make of it.
type said struct {
	what   string
	method string // GET where empty
	status int
	header map[string]string
	kind   string // Content-Type; JSON where empty
	body   string
	want   verdict.Kind
	reason string
	to     string // address
}

// dead, forbidden, silent and rpc shorten the tables.
func dead(status int, body, reason string) said {
	return said{what: "dead", status: status, body: body, want: verdict.Rejected, reason: reason}
}

func silent(what string, status int, body string) said {
	return said{what: what, status: status, body: body}
}

func tool(what, text string, want verdict.Kind) said {
	s := said{
		what: what, method: http.MethodPost, status: 200, want: want,
		body: fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":[{"type":"text","text":%q}]}}`, text),
	}
	if want == verdict.Rejected {
		s.reason = "tool_unauthorized"
	}
	return s
}

const bulkError = `<?xml version="1.0" encoding="UTF-8"?><error xmlns="http://www.force.com/2009/06/asyncapi/dataload"><exceptionCode>%s</exceptionCode><exceptionMessage>no</exceptionMessage></error>`

// answers are from the sources that each provider's file names.
var answers = map[string][]said{
	"slack": {
		dead(200, `{"ok":false,"error":"token_revoked"}`, "token_revoked"),
		dead(200, `{"ok":false,"error":"token_expired"}`, "token_expired"),
		dead(200, `{"ok":false,"error":"account_inactive"}`, "account_inactive"),
		dead(200, `{"ok":false,"error":"invalid_auth","warning":"missing_charset"}`, "invalid_auth"),
		silent("alive", 200, `{"ok":true,"channels":[]}`),
		silent("alive, and somebody wrote about it", 200, `{"ok":true,"messages":[{"text":"\"ok\":false \"error\":\"token_revoked\""}]}`),
		silent("another error", 200, `{"ok":false,"error":"channel_not_found"}`),
		silent("rate limit", 429, `{"ok":false,"error":"ratelimited"}`),
		{what: "scope", status: 200, body: `{"ok":false,"error":"missing_scope","needed":"chat:write"}`, want: verdict.Forbidden, reason: "missing_scope"},
	},
	"jira": {
		{what: "dead", status: 200, header: map[string]string{"X-Seraph-Loginreason": "AUTHENTICATED_FAILED"}, body: `[]`, want: verdict.Rejected, reason: "authentication_failed"},
		{what: "alive", status: 200, header: map[string]string{"X-Seraph-Loginreason": "OK"}, body: `[]`},
		silent("anonymous", 200, `[]`),
		silent("permission", 403, `{"errorMessages":["You do not have permission"]}`),
		silent("rate limit", 429, ``),
	},
	"azure-devops": {
		{what: "dead", status: 203, kind: "text/html; charset=utf-8", body: "<html>Sign In</html>", want: verdict.Rejected, reason: "signin_page"},
		{what: "dead, redirected", status: 302, header: map[string]string{"Location": "https://spsprodsin2.vssps.visualstudio.com/_signin?realm=vssps.dev.azure.com"}, want: verdict.Rejected, reason: "signin_redirect"},
		silent("alive", 200, `{"count":0,"value":[]}`),
		{what: "alive, redirected", status: 302, header: map[string]string{"Location": "https://dev.azure.com/other/_apis/projects"}},
		silent("permission", 403, `{"typeKey":"AccessDeniedException"}`),
		silent("rate limit", 429, ``),
	},
	"github": {
		{
			what: "single sign-on", status: 403, header: map[string]string{"X-Github-Sso": "required; url=https://github.com/orgs/dream11/sso?authorization_request=SECRET"},
			body: `{"message":"Resource protected by organization SAML enforcement."}`,
			want: verdict.Forbidden, reason: "sso_required", to: "https://github.com/orgs/dream11/sso",
		},
		{
			what: "single sign-on, GraphQL", status: 200, header: map[string]string{"X-Github-Sso": "required; url=https://github.com/orgs/a/sso?authorization_request=SECRET"},
			body: `{"data":{"repository":null},"errors":[{"type":"FORBIDDEN","extensions":{"saml_failure":true}}]}`,
			want: verdict.Forbidden, reason: "sso_required", to: "https://github.com/orgs/a/sso",
		},
		{what: "alive, some results left out", status: 200, header: map[string]string{"X-Github-Sso": "partial-results; organizations=21955855"}, body: `[]`},
		silent("alive", 200, `{"login":"octocat"}`),
		silent("rate limit", 403, `{"message":"API rate limit exceeded"}`),
		silent("permission", 403, `{"message":"Resource not accessible by personal access token"}`),
	},
	"cloudflare-access": {
		{what: "dead", status: 302, header: map[string]string{"Www-Authenticate": `Cloudflare-Access domain="app.example.com"`, "Location": "https://team.cloudflareaccess.com/x"}, want: verdict.Rejected, reason: "login_redirect"},
		{what: "dead, no challenge", status: 302, header: map[string]string{"Location": "https://team.cloudflareaccess.com/cdn-cgi/access/login/app.example.com?kid=1"}, want: verdict.Rejected, reason: "login_redirect"},
		silent("alive", 200, `{}`),
		{what: "alive, redirected", status: 302, header: map[string]string{"Location": "/welcome"}},
		silent("blocked", 403, `error code: 1010`),
		silent("rate limit", 429, ``),
	},
	"cloudflare-api": {
		dead(400, `{"success":false,"errors":[{"code":6003,"message":"Invalid request headers","error_chain":[{"code":6111,"message":"Invalid format for Authorization header"}]}],"messages":[],"result":null}`, "invalid_token"),
		silent("alive", 200, `{"success":true,"errors":[],"messages":[{"code":10000,"message":"This API Token is valid and active"}],"result":{}}`),
		silent("a bad record", 400, `{"success":false,"errors":[{"code":9005,"message":"Content for A record is invalid."}]}`),
		silent("another header", 400, `{"success":false,"errors":[{"code":6003,"error_chain":[{"code":6103,"message":"Invalid format for X-Auth-Key header"}]}]}`),
		silent("permission", 403, `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}`),
		silent("rate limit", 429, `{"success":false,"errors":[{"code":971}]}`),
	},
	"salesforce": {
		{what: "dead", status: 400, kind: "application/xml", body: fmt.Sprintf(bulkError, "InvalidSessionId"), want: verdict.Rejected, reason: "invalid_session"},
		dead(400, `{"exceptionCode":"InvalidSessionId","exceptionMessage":"Invalid session id"}`, "invalid_session"),
		dead(401, `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`, "invalid_session"),
		{what: "dead, SOAP", status: 500, kind: "text/xml", body: `<soapenv:Envelope xmlns:soapenv="x"><soapenv:Body><soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode></soapenv:Fault></soapenv:Body></soapenv:Envelope>`, want: verdict.Rejected, reason: "invalid_session"},
		silent("alive", 200, `{"records":[]}`),
		{what: "a bad batch", status: 400, kind: "application/xml", body: fmt.Sprintf(bulkError, "InvalidBatch")},
		silent("permission", 403, `[{"message":"no","errorCode":"INSUFFICIENT_ACCESS"}]`),
		silent("rate limit", 403, `[{"errorCode":"REQUEST_LIMIT_EXCEEDED"}]`),
	},
	"meta": {
		{what: "dead", status: 400, header: map[string]string{"Www-Authenticate": `OAuth "Facebook Platform" "invalid_token" "Error validating access token"`}, body: `{}`, want: verdict.Rejected, reason: "invalid_token"},
		dead(400, `{"error":{"message":"Session has expired","type":"OAuthException","code":190,"error_subcode":463}}`, "invalid_token"),
		silent("alive", 200, `{"data":[]}`),
		{what: "permission", status: 400, header: map[string]string{"Www-Authenticate": `OAuth "Facebook Platform" "invalid_request" "(#200) Permissions error"`}, body: `{"error":{"type":"OAuthException","code":200}}`},
		silent("rate limit", 400, `{"error":{"type":"OAuthException","code":4}}`),
	},
	"google": {
		dead(400, `{"error":{"code":400,"status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}`, "api_key_invalid"),
		dead(400, `[{"error":{"code":400,"details":[{"reason":"API_KEY_INVALID"}]}}]`, "api_key_invalid"),
		dead(403, `{"error":{"code":403,"status":"PERMISSION_DENIED","details":[{"reason":"CONSUMER_SUSPENDED"}]}}`, "consumer_suspended"),
		{what: "scope", status: 403, body: `{"error":{"details":[{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}`, want: verdict.Forbidden, reason: "insufficient_scope"},
		silent("alive", 200, `{"items":[]}`),
		silent("region", 400, `{"error":{"code":400,"status":"FAILED_PRECONDITION","message":"User location is not supported"}}`),
		silent("permission", 403, `{"error":{"code":403,"status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}}`),
		silent("rate limit", 403, `{"error":{"code":403,"errors":[{"reason":"rateLimitExceeded"}]}}`),
	},
	"microsoft-graph": {
		{what: "dead", status: 401, header: map[string]string{"Www-Authenticate": `Bearer realm="", error="insufficient_claims", claims="eyJh"`}, body: `{}`, want: verdict.Rejected, reason: "insufficient_claims"},
		dead(401, `{"error":{"code":"InvalidAuthenticationToken","message":"Access token has expired or is not yet valid."}}`, "invalid_token"),
		dead(200, `{"responses":[{"id":"1","status":200,"body":{}},{"id":"2","status":401,"body":{"error":{"code":"InvalidAuthenticationToken"}}}]}`, "invalid_token"),
		silent("alive", 200, `{"value":[]}`),
		silent("permission", 403, `{"error":{"code":"Authorization_RequestDenied"}}`),
		silent("rate limit", 429, `{"error":{"code":"TooManyRequests"}}`),
	},
	"arcgis": {
		dead(200, `{"error":{"code":498,"message":"Invalid Token","details":[]}}`, "invalid_token"),
		{what: "dead, JSONP", status: 200, kind: "application/javascript", body: `dojo.io.script.jsonp_1({"error":{"code":498,"message":"Invalid token."}});`, want: verdict.Rejected, reason: "invalid_token"},
		silent("alive", 200, `{"features":[]}`),
		silent("alive, a value of 498", 200, `{"features":[{"attributes":{"code":498}}]}`),
		silent("bad request", 200, `{"error":{"code":400,"message":"Unable to complete operation."}}`),
		silent("permission", 200, `{"error":{"code":403,"message":"You do not have permissions"}}`),
		silent("rate limit", 429, ``),
	},
	"hasura": {
		dead(200, `{"errors":[{"extensions":{"path":"$","code":"invalid-jwt"},"message":"Could not verify JWT: JWTExpired"}]}`, "invalid_jwt"),
		dead(200, `{"errors":[{"extensions":{"path":"$","code":"access-denied"},"message":"Authentication hook unauthorized this request"}]}`, "hook_unauthorized"),
		silent("alive", 200, `{"data":{"items":[]}}`),
		silent("permission", 200, `{"errors":[{"extensions":{"code":"validation-failed"},"message":"field x not found"}]}`),
		silent("another refusal", 200, `{"errors":[{"extensions":{"code":"access-denied"},"message":"restricted access : admin only"}]}`),
		silent("rate limit", 429, ``),
	},
	"graphql": {
		dead(200, `{"errors":[{"message":"no","extensions":{"code":"UNAUTHENTICATED"}}],"data":null}`, "unauthenticated"),
		silent("alive", 200, `{"data":{}}`),
		silent("permission", 200, `{"errors":[{"extensions":{"code":"FORBIDDEN"}}]}`),
		silent("rate limit", 429, ``),
	},
	"anthropic": {
		dead(403, `{"type":"error","error":{"type":"permission_error","message":"OAuth token has been revoked. Please obtain a new token."}}`, "token_revoked"),
		dead(400, `{"type":"error","error":{"type":"invalid_request_error","message":"This organization has been disabled."}}`, "organization_disabled"),
		{what: "not let in", status: 403, body: `{"type":"error","error":{"type":"permission_error","message":"OAuth authentication is currently not allowed for this organization."}}`, want: verdict.Forbidden, reason: "oauth_not_allowed"},
		silent("alive", 200, `{"type":"message","content":[{"type":"text","text":"The token has been revoked"}]}`),
		silent("permission", 403, `{"type":"error","error":{"type":"permission_error","message":"Your API key does not have permission to use the specified resource."}}`),
		silent("bad request", 400, `{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: field required"}}`),
		silent("overloaded", 529, `{"type":"error","error":{"type":"overloaded_error"}}`),
	},
	"sp-api": {
		dead(403, `{"errors":[{"code":"Unauthorized","message":"Access to requested resource is denied.","details":"The access token you provided has expired."}]}`, "token_expired"),
		dead(403, `{"errors":[{"code":"Unauthorized","message":"Access to requested resource is denied.","details":"The access token you provided is revoked, malformed or invalid."}]}`, "token_expired"),
		silent("alive", 200, `{"payload":{}}`),
		silent("permission", 403, `{"errors":[{"code":"Unauthorized","message":"Access to requested resource is denied.","details":""}]}`),
		silent("rate limit", 429, `{"errors":[{"code":"QuotaExceeded"}]}`),
	},
	"gitbook": {
		{what: "dead", status: 307, header: map[string]string{"Location": "https://app.gitbook.com/login?next=/o"}, want: verdict.Rejected, reason: "login_redirect"},
		silent("alive", 200, `{}`),
		{what: "alive, moved", status: 307, header: map[string]string{"Location": "https://docs.example.com/login-help"}},
		silent("permission", 403, `{}`),
		silent("rate limit", 429, ``),
	},
	"mcp-tool-error": {
		tool("dead", "HTTP 401: Unauthorized", verdict.Rejected),
		tool("dead, in a sentence", "Todoist API request failed (HTTP 401). Try next: Verify your API token and access permissions, then retry.", verdict.Rejected),
		tool("dead, after a name", "Runpod API Error: 401 Unauthorized", verdict.Rejected),
		tool("dead, one word", "Unauthorized", verdict.Rejected),
		tool("another failure", "HTTP 404: task 401 not found", verdict.Nothing),
		tool("permission", "HTTP 403: Forbidden", verdict.Nothing),
		tool("rate limit", "HTTP 429: Too Many Requests", verdict.Nothing),
		silent("alive, about 401", 200, `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"HTTP 401 Unauthorized means that credentials are missing"}]}}`),
		{what: "dead, event stream", method: http.MethodPost, status: 200, kind: "text/event-stream", body: "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\ndata: \"result\":{\"isError\":true,\"content\":[{\"type\":\"text\",\"text\":\"HTTP 401\"}]}}\n\n", want: verdict.Rejected, reason: "tool_unauthorized"},
		{what: "alive, event stream", method: http.MethodPost, status: 200, kind: "text/event-stream", body: "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}\n\n"},
		dead(200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"Authentication tokens are no longer valid. Please restart the server to re-authenticate."}}`, "rpc_unauthorized"),
		dead(200, `[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"error":{"code":-32001,"message":"Unauthorized"}}]`, "rpc_unauthorized"),
		silent("timeout", 200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"Request timed out"}}`),
		silent("bad request", 200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"Invalid request: calendarId is required"}}`),
	},
}

func (s *said) answer() Response {
	a := Response{Method: http.MethodGet, Status: s.status, Header: http.Header{}}
	if s.method != "" {
		a.Method = s.method
	}
	a.Header.Set("Content-Type", "application/json; charset=utf-8")
	if s.kind != "" {
		a.Header.Set("Content-Type", s.kind)
	}
	for k, v := range s.header {
		a.Header.Set(k, v)
	}
	return a
}

// judged is what the set makes of the answer, whose body comes in pieces of n bytes.
func (s *said) judged(set *Set, n int) verdict.Verdict {
	a := s.answer()
	if v, ok := set.Head(a); ok {
		return v
	}
	c := set.Watch(a, -1)
	if c == nil {
		return verdict.Verdict{}
	}
	for rest := s.body; rest != ""; {
		k := min(n, len(rest))
		_, _ = c.Write([]byte(rest[:k]))
		rest = rest[k:]
	}
	v, _ := c.End()
	return v
}

func TestEachProviderTellsADeadTokenFromEverythingElse(t *testing.T) {
	t.Parallel()
	for _, name := range names() {
		require.NotEmpty(t, answers[name], "%s is not tried", name)
	}
	for name, all := range answers {
		set := New(nil, name)
		require.NotNil(t, set, name)
		for _, s := range all {
			for _, piece := range []int{1, 7, 1 << 20} {
				v := s.judged(set, piece)
				about := fmt.Sprintf("%s: %s: %s", name, s.what, s.body)
				require.Equal(t, s.want, v.Kind, about)
				if s.want != verdict.Nothing {
					require.Equal(t, s.reason, v.Reason, about)
				}
				require.Equal(t, s.to, v.Address, about)
			}
		}
	}
}

// A good answer of one service must not look like a dead token to the rules of
// another: workloads are moved, and providers are mixed up.
func TestNoProviderBlamesTheGoodAnswersOfAnother(t *testing.T) {
	t.Parallel()
	for _, name := range names() {
		set := New(nil, name)
		for other, all := range answers {
			for _, s := range all {
				if s.want == verdict.Nothing {
					require.NotEqual(t, verdict.Rejected, s.judged(set, 1<<20).Kind, "%s: %s: %s", name, other, s.what)
				}
			}
		}
	}
}

func TestEveryProviderSaysWhatItIsBuiltOn(t *testing.T) {
	t.Parallel()
	all, err := readProviders()
	require.NoError(t, err)
	require.Len(t, all, 17)
	for name, p := range all {
		require.NotEmpty(t, p.About, name)
		require.NotEmpty(t, p.Rules, name)
		require.NotEmpty(t, p.Sources, name)
		for _, s := range p.Sources {
			require.Regexp(t, `^https://[a-z0-9.]+/`, s, name)
		}
	}
}

func TestAnUnknownProviderIsToldTheNearest(t *testing.T) {
	t.Parallel()
	require.Empty(t, ValidateProvider("slack"))
	require.Empty(t, ValidateProvider(""))
	require.Equal(t, `"azuredevops" is not known; did you mean "azure-devops"?`, ValidateProvider("azuredevops"))
	require.Contains(t, ValidateProvider("qqqqqqqqqqqqqqqqqqqq"), "known here: anthropic, arcgis")
}

func TestTheDocumentsListEveryProviderWithItsSources(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/providers.md")
	require.NoError(t, err)
	for name, p := range providers() {
		_, section, found := strings.Cut(string(text), "\n### "+name+"\n")
		require.True(t, found, name)
		section, _, _ = strings.Cut(section, "\n### ")
		require.Contains(t, section, p.About, name)
		for _, s := range p.Sources {
			require.Contains(t, section, s, name)
		}
		for _, r := range p.Rules {
			if r.Reason != "" {
				require.Contains(t, section, "`"+r.Reason+"`", name)
			}
		}
	}
	require.Len(t, providers(), strings.Count(string(text), "\n### "))
}
