package credential

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
)

// login is a token endpoint that answers as it is told and keeps what it was
// asked.
type login struct {
	*httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
	asked  []url.Values // with the Authorization field as "header"
}

func newLogin(t *testing.T, answer http.HandlerFunc) *login {
	t.Helper()
	l := &login{answer: answer}
	l.Server = httptest.NewServer(http.HandlerFunc(l.serve))
	t.Cleanup(l.Close)
	return l
}

func (l *login) serve(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	form := r.PostForm
	if h := r.Header.Get("Authorization"); h != "" {
		form.Set("header", h)
	}
	l.mu.Lock()
	l.asked = append(l.asked, form)
	answer := l.answer
	l.mu.Unlock()
	answer(w, r)
}

func (l *login) now(answer http.HandlerFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = answer
}

func (l *login) requests() []url.Values {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]url.Values(nil), l.asked...)
}

func says(status int, body any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
}

type object = map[string]any

func grants(access string) http.HandlerFunc {
	return says(200, object{"access_token": access, "token_type": "Bearer", "expires_in": 3600})
}

func fromLogin(t *testing.T, l *login, change func(*OAuth2)) (*Source, *witness) {
	t.Helper()
	o := &OAuth2{TokenURL: l.URL + "/token", ClientID: "me", ClientSecret: "canary-client-secret"}
	if change != nil {
		change(o)
	}
	w := &witness{}
	s, err := New(Config{OAuth2: o}, w.logger())
	require.NoError(t, err)
	s.Subscribe(w)
	return s, w
}

func TestClientCredentialsAreExchangedForAToken(t *testing.T) {
	t.Parallel()
	l := newLogin(t, grants("canary-access"))
	s, w := fromLogin(t, l, func(o *OAuth2) {
		o.Scopes, o.Audience, o.Resource = []string{"a", "b"}, "https://api.example", "https://api.example/mcp"
	})
	got := s.Reread(t.Context())
	require.Equal(t, "Bearer canary-access", got.Header().Get("Authorization"), got.Detail)
	require.Equal(t, "oauth2 "+l.URL+"/token", got.Source)
	require.WithinDuration(t, time.Now().Add(time.Hour), got.ExpiresAt, time.Minute)
	require.Len(t, l.requests(), 1)
	asked := l.requests()[0]
	require.Equal(t, "client_credentials", asked.Get("grant_type"))
	require.Equal(t, "a b", asked.Get("scope"))
	require.Equal(t, "https://api.example", asked.Get("audience"))
	require.Equal(t, "https://api.example/mcp", asked.Get("resource"))
	require.True(t, strings.HasPrefix(asked.Get("header"), "Basic "))
	require.False(t, asked.Has("client_secret"))
	require.NotContains(t, w.log(), "canary")
}

func TestAServerThatWantsTheSecretInTheBodyGetsItThere(t *testing.T) {
	t.Parallel()
	l := newLogin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.PostForm.Get("client_secret") == "" {
			says(401, object{"error": "invalid_client"})(w, r)
			return
		}
		grants("the-access-token")(w, r)
	})
	s, _ := fromLogin(t, l, nil)
	require.True(t, s.Reread(t.Context()).Usable())
	require.Len(t, l.requests(), 2)
	s.state.asked = time.Time{}
	require.True(t, s.Reread(t.Context()).Usable())
	require.Len(t, l.requests(), 3, "what worked is remembered")
}

func TestOnlyAnUnknownClientMakesTheOtherStyleTried(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"an error of the server": says(500, object{}),
		"a dead refresh token":   says(400, object{"error": "invalid_grant"}),
		"a firewall":             says(403, object{}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLogin(t, answer)
			s, _ := fromLogin(t, l, func(o *OAuth2) { o.RefreshToken = "canary-refresh" })
			require.False(t, s.Reread(t.Context()).Usable())
			require.Len(t, l.requests(), 1)
		})
	}
}

func TestRefusalsAreToldFromFailures(t *testing.T) {
	t.Parallel()
	html := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, "<html>canary-client-secret</html>")
		}
	}
	oauth := func(status int, code string) http.HandlerFunc {
		return says(status, object{"error": code, "error_description": "canary-client-secret was no good"})
	}
	type want struct{ problem, detail string }
	refused := func(code string) want {
		return want{events.ProblemRefused, code + ": <redacted> was no good"}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   want
	}{
		"invalid_grant":                 {oauth(400, "invalid_grant"), refused("invalid_grant")},
		"invalid_grant as 401":          {oauth(401, "invalid_grant"), refused("invalid_grant")},
		"invalid_grant as 200":          {oauth(200, "invalid_grant"), refused("invalid_grant")},
		"in capitals":                   {oauth(400, "INVALID_GRANT"), refused("invalid_grant")},
		"invalid_client":                {oauth(401, "invalid_client"), refused("invalid_client")},
		"unauthorized_client":           {oauth(400, "unauthorized_client"), refused("unauthorized_client")},
		"invalid_scope":                 {oauth(400, "invalid_scope"), refused("invalid_scope")},
		"invalid_target":                {oauth(400, "invalid_target"), refused("invalid_target")},
		"a refusal under overload":      {oauth(429, "invalid_grant"), want{events.ProblemFailed, "it answered 429: invalid_grant"}},
		"a refusal by a broken server":  {oauth(500, "invalid_grant"), want{events.ProblemFailed, "it answered 500: invalid_grant"}},
		"temporarily_unavailable":       {oauth(400, "temporarily_unavailable"), want{events.ProblemFailed, "it answered 400: temporarily_unavailable"}},
		"a code nobody knows":           {oauth(400, "slow_down"), want{events.ProblemFailed, "it answered 400: slow_down"}},
		"500":                           {says(500, object{}), want{events.ProblemFailed, "it answered 500"}},
		"503 in HTML":                   {html(503), want{events.ProblemFailed, "it answered 503"}},
		"403 in HTML, a firewall":       {html(403), want{events.ProblemFailed, "it answered 403"}},
		"404":                           {html(404), want{events.ProblemFailed, "it answered 404"}},
		"200 in HTML, a captive portal": {html(200), want{events.ProblemFailed, "its answer contains no token"}},
		"200 without a token":           {says(200, object{}), want{events.ProblemFailed, "its answer contains no token"}},
		"a redirect":                    {http.RedirectHandler("https://elsewhere.example/", http.StatusTemporaryRedirect).ServeHTTP, want{events.ProblemFailed, "it answered 307"}},
		"a DPoP token":                  {says(200, object{"access_token": "canary-access", "token_type": "DPoP"}), want{events.ProblemMalformed, "of type DPoP"}},
		"a token that cannot be sent":   {grants("canary access"), want{events.ProblemMalformed, "white space"}},
		"no answer":                     {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want{events.ProblemFailed, "it cannot be reached: it closed the connection"}},
		"a hang":                        {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, want{events.ProblemFailed, "it cannot be reached: no answer in time"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLogin(t, c.answer)
			s, w := fromLogin(t, l, func(o *OAuth2) { o.Timeout = config.Duration(2 * time.Second) })
			got := s.Reread(t.Context())
			require.Equal(t, c.want.problem, got.Problem, got.Detail)
			require.Contains(t, got.Detail, c.want.detail)
			require.Equal(t, got.Problem == events.ProblemRefused, s.state.failed.permanent)
			require.NotContains(t, w.log()+got.Detail, "canary")
		})
	}

	l := newLogin(t, grants("x"))
	l.Close()
	s, _ := fromLogin(t, l, nil)
	got := s.Reread(t.Context())
	require.Equal(t, events.ProblemFailed, got.Problem)
	require.Equal(t, "it cannot be reached: connection refused", got.Detail)
}

func TestRetryAfterIsReadFromTheAnswer(t *testing.T) {
	t.Parallel()
	l := newLogin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	s, _ := fromLogin(t, l, nil)
	s.Reread(t.Context())
	require.WithinDuration(t, time.Now().Add(10*time.Minute), s.state.retry, time.Minute)
}

func TestARotatedRefreshTokenIsSavedBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	n := 0
	l := newLogin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.PostForm.Get("refresh_token") != fmt.Sprintf("canary-refresh-%d", n) {
			says(400, object{"error": "invalid_grant"})(w, r)
			return
		}
		n++
		says(200, object{"access_token": fmt.Sprintf("canary-access-%d", n), "expires_in": 3600, "refresh_token": fmt.Sprintf("canary-refresh-%d", n)})(w, r)
	})
	dir := t.TempDir()
	path, link := filepath.Join(dir, "refresh"), filepath.Join(t.TempDir(), "link")
	write(t, path, "canary-refresh-0\n")
	require.NoError(t, os.Chmod(path, 0o640))
	require.NoError(t, os.Symlink(path, link))
	var log string
	for i := range 3 { // each a start of the process
		s, w := fromLogin(t, l, func(o *OAuth2) { o.RefreshTokenFile = link })
		require.Equal(t, fmt.Sprintf("Bearer canary-access-%d", i+1), s.Reread(t.Context()).Header().Get("Authorization"))
		log += w.log()
	}
	saved, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "canary-refresh-3\n", string(saved))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink, "the link stays")
	info, err = os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file is left")
	require.Equal(t, "refresh_token", l.requests()[0].Get("grant_type"))
	require.NotContains(t, log, "canary")
}

func TestARotatedRefreshTokenThatCannotBeSavedIsUsedNonetheless(t *testing.T) {
	t.Parallel()
	l := newLogin(t, func(w http.ResponseWriter, r *http.Request) {
		says(200, object{"access_token": "the-access-token", "refresh_token": r.PostForm.Get("refresh_token") + "x"})(w, r)
	})
	s, w := fromLogin(t, l, func(o *OAuth2) { o.RefreshToken = "canary-refresh" })
	for range 3 {
		s.state.asked = time.Time{}
		require.True(t, s.Reread(t.Context()).Usable())
	}
	require.Equal(t, "canary-refreshxx", l.requests()[2].Get("refresh_token"))
	require.Contains(t, w.log(), "rotated refresh token is not saved")
	require.NotContains(t, w.log(), "canary")
}

func TestASecretThatIsReplacedIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	l := newLogin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.PostForm.Get("refresh_token") != "canary-good" {
			says(400, object{"error": "invalid_grant"})(w, r)
			return
		}
		grants("the-access-token")(w, r)
	})
	path := filepath.Join(t.TempDir(), "refresh")
	write(t, path, "canary-dead\n")
	s, w := fromLogin(t, l, func(o *OAuth2) { o.RefreshTokenFile = path })
	run(t, s)
	require.Equal(t, events.ProblemRefused, s.Current().Problem)
	write(t, path+".tmp", "canary-good\n")
	require.NoError(t, os.Rename(path+".tmp", path))
	eventually(t, "the-access-token", s)
	require.Equal(t, []string{"-refused", "the-access-token"}, w.values())
	require.Len(t, l.requests(), 2)
}

func TestAPersonMayReplaceARotatedRefreshToken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "refresh")
	write(t, path, "first\n")
	s := secretFile{path: path}
	got, bad := s.get()
	require.Nil(t, bad)
	require.Equal(t, "first", got.Reveal())
	require.NoError(t, s.set("rotated"))
	require.False(t, s.changed(), "by us")
	got, _ = s.get()
	require.Equal(t, "rotated", got.Reveal())
	write(t, path, "by-hand")
	require.True(t, s.changed())
	got, _ = s.get()
	require.Equal(t, "by-hand", got.Reveal())
	require.False(t, s.changed())
}

func TestARefreshTokenThatAnotherReplicaReplacedIsReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "refresh")
	write(t, path, "canary-old")
	l := newLogin(t, nil)
	l.now(func(w http.ResponseWriter, r *http.Request) {
		if r.PostForm.Get("refresh_token") == "canary-old" {
			_ = os.WriteFile(path, []byte("canary-new"), 0o600) // the other was faster
			says(400, object{"error": "invalid_grant"})(w, r)
			return
		}
		grants("the-access-token")(w, r)
	})
	s, w := fromLogin(t, l, func(o *OAuth2) { o.RefreshTokenFile = path })
	require.True(t, s.Reread(t.Context()).Usable())
	require.Equal(t, []string{"the-access-token"}, w.values())
}

func TestAMissingSecretFileIsNamed(t *testing.T) {
	t.Parallel()
	l := newLogin(t, grants("x"))
	s, _ := fromLogin(t, l, func(o *OAuth2) { o.ClientSecret, o.ClientSecretFile = "", filepath.Join(t.TempDir(), "none") })
	got := s.Reread(t.Context())
	require.Equal(t, events.ProblemNotFound, got.Problem)
	require.Equal(t, "client_secret_file: no such file", got.Detail)
	require.Empty(t, l.requests())
}

func TestATokenEndpointWithItsOwnAuthorityIsTrustedOnlyWithIt(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(grants("the-access-token"))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	c := &OAuth2{TokenURL: server.URL, ClientID: "me", ClientSecret: "canary", CAFile: ca}
	s, err := New(Config{OAuth2: c}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.True(t, s.Reread(t.Context()).Usable())

	c.CAFile = ""
	s, err = New(Config{OAuth2: c}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	got := s.Reread(t.Context())
	require.Equal(t, events.ProblemFailed, got.Problem)
	require.Contains(t, got.Detail, "certificate")

	c.CAFile = filepath.Join(t.TempDir(), "none")
	_, err = New(Config{OAuth2: c}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "oauth2.ca_file")
}
