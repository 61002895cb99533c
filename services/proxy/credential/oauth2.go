package credential

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/datadir"
	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/internal/redact"
)

// endpoint fetches tokens from an OAuth2 token endpoint.
//
// x/oauth2 makes the request and reads the answer. Its own refreshing source is
// not used: it cannot send scope or resource, and its guess of the auth style
// sends a request a second time after any error, with the refresh token that
// the first may have used up.
type endpoint struct {
	config  OAuth2
	client  *http.Client
	secret  secretFile
	refresh secretFile
	log     *slog.Logger
	style   oauth2.AuthStyle // that worked; 0: none yet
}

func newEndpoint(c *OAuth2, log *slog.Logger) (*endpoint, error) {
	roots, err := outbound.Roots(c.CAFile)
	if err != nil {
		return nil, problem("oauth2.ca_file", "%v", err)
	}
	e := &endpoint{
		config: *c, log: log,
		client:  outbound.Client(outbound.Transport(roots), c.timeout()),
		secret:  secretFile{plain: c.ClientSecret, path: c.ClientSecretFile},
		refresh: secretFile{plain: c.RefreshToken, path: c.RefreshTokenFile},
	}
	switch {
	case c.AuthStyle == styleHeader:
		e.style = oauth2.AuthStyleInHeader
	case c.AuthStyle == styleBody, c.ClientSecret == "" && c.ClientSecretFile == "":
		e.style = oauth2.AuthStyleInParams
	}
	return e, nil
}

func (e *endpoint) files() []string {
	var paths []string
	for _, p := range []string{e.config.ClientSecretFile, e.config.RefreshTokenFile} {
		if p != "" {
			paths = append(paths, p)
		}
	}
	return paths
}

// changed reports whether a secret is another one than at the last request.
func (e *endpoint) changed() bool { return e.secret.changed() || e.refresh.changed() }

func (e *endpoint) read(ctx context.Context) (reading, *failure) {
	unlock, bad := e.lock(ctx)
	if bad != nil {
		return reading{}, bad
	}
	defer unlock()
	r, bad := e.fetch(ctx)
	// Somebody else, another replica perhaps, may have used the refresh token and
	// written the next one.
	if bad != nil && bad.permanent && e.changed() {
		r, bad = e.fetch(ctx)
	}
	return r, bad
}

// lock keeps the refresh token for the request that is about to use it up: another
// source, or another process, waits for the token that replaces it.
func (e *endpoint) lock(ctx context.Context) (unlock func(), bad *failure) {
	if e.config.RefreshTokenFile == "" {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.config.timeout())
	defer cancel()
	for {
		f, err := datadir.LockFile(e.config.RefreshTokenFile)
		switch {
		case err == nil:
			return func() { _ = f.Close() }, nil
		case !errors.Is(err, datadir.ErrInUse):
			return func() {}, nil // where it cannot be locked it is read all the same
		case !clock.Sleep(ctx, lockEvery):
			return nil, &failure{problem: events.ProblemFailed, detail: "refresh_token_file: another process is using it"}
		}
	}
}

// lockEvery is how often a refresh token that is in use is looked at.
const lockEvery = 20 * time.Millisecond

func (e *endpoint) fetch(ctx context.Context) (reading, *failure) {
	if err := ctx.Err(); err != nil {
		return reading{}, &failure{problem: events.ProblemFailed, detail: err.Error()}
	}
	secret, bad := e.secret.get()
	if bad != nil {
		return reading{}, e.about("client_secret_file", bad)
	}
	c := clientcredentials.Config{
		ClientID: e.config.ClientID, ClientSecret: secret.Reveal(), TokenURL: e.config.TokenURL,
		Scopes: e.config.Scopes, EndpointParams: url.Values{},
	}
	var refresh config.Secret
	if e.config.refreshes() {
		if refresh, bad = e.refresh.get(); bad != nil {
			return reading{}, e.about("refresh_token_file", bad)
		}
		c.EndpointParams.Set("grant_type", "refresh_token")
		c.EndpointParams.Set("refresh_token", refresh.Reveal())
	}
	if e.config.Audience != "" {
		c.EndpointParams.Set("audience", e.config.Audience)
	}
	if e.config.Resource != "" {
		c.EndpointParams.Set("resource", e.config.Resource)
	}
	token, err := e.post(ctx, c)
	if err != nil {
		bad := classify(err, time.Now())
		bad.said = redact.New(secret, refresh).Text(bad.said)
		return reading{}, bad
	}
	if next := config.Secret(token.RefreshToken); e.config.refreshes() && next != "" && next != refresh {
		e.rotate(next)
	}
	if t := token.TokenType; t != "" && !strings.EqualFold(t, "bearer") {
		return reading{}, malformed("it gave a token of type %s, not Bearer", events.CleanText(t, 32))
	}
	return reading{token: token.AccessToken, expires: token.Expiry}, nil
}

// post sends the request, in the style that is known to work. Until one is, the
// other is tried when the endpoint did not recognise the client, which it checks
// before it looks at the grant (RFC 6749 section 5.2). A request that has left is not
// called back: the endpoint may have replaced the refresh token already. The
// client's timeout bounds it.
func (e *endpoint) post(ctx context.Context, c clientcredentials.Config) (*oauth2.Token, error) {
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, e.client)
	c.AuthStyle = e.style
	if e.style == oauth2.AuthStyleAutoDetect {
		c.AuthStyle = oauth2.AuthStyleInHeader
	}
	token, err := c.Token(ctx)
	if e.style == oauth2.AuthStyleAutoDetect && unknownClient(err) {
		c.AuthStyle = oauth2.AuthStyleInParams
		token, err = c.Token(ctx)
	}
	if err == nil {
		e.style = c.AuthStyle
	}
	return token, err
}

func unknownClient(err error) bool {
	re, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || re.Response == nil {
		return false
	}
	switch re.Response.StatusCode {
	case http.StatusUnauthorized:
		return true
	case http.StatusBadRequest:
		return re.ErrorCode == "invalid_client" || re.ErrorCode == "invalid_request"
	}
	return false
}

// rotate keeps the refresh token that replaces the one just used.
func (e *endpoint) rotate(next config.Secret) {
	if err := e.refresh.set(next); err != nil {
		e.log.Error("rotated refresh token is not saved: the next start needs a new authorization",
			"file", e.config.RefreshTokenFile, "err", err)
	}
}

func (*endpoint) about(key string, bad *failure) *failure {
	bad.detail = key + ": " + bad.detail
	return bad
}

// shownURL is u without what may be a secret.
func shownURL(u string) string {
	parsed, err := url.Parse(u)
	if err != nil {
		return "token endpoint"
	}
	return (&url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}).String()
}
