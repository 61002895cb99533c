package receiver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// file writes a file with a secret in it.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// clientCertificate is a self-signed one: its files, and the pool that trusts it.
func clientCertificate(t *testing.T) (cert, key string, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	trust = x509.NewCertPool()
	trust.AddCert(parsed)
	return file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		file(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))), trust
}

func TestAServerOfAnOwnCAThatAsksForAClientCertificateIsReached(t *testing.T) {
	t.Parallel()
	cert, key, trust := clientCertificate(t)
	p := &provider{answer: status(200, "")}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.got = append(p.got, seen{header: r.Header.Clone()})
		p.mu.Unlock()
	}))
	p.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trust, MinVersion: tls.VersionTLS12}
	p.StartTLS()
	t.Cleanup(p.Close)
	ca := file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})))

	c := Webhook{URL: secret(p.URL), Connection: Connection{CAFile: ca, ClientCertFile: cert, ClientKeyFile: key}}
	require.Equal(t, plan.Delivered, send(t, Config{Webhook: &c}, opened(t)).Outcome)
	c.ClientCertFile, c.ClientKeyFile = "", ""
	require.Equal(t, plan.Retry, send(t, Config{Webhook: &c}, opened(t)).Outcome)
	c.CAFile = ""
	a := send(t, Config{Webhook: &c}, opened(t))
	require.Contains(t, a.Error, "unknown authority")
	require.Len(t, p.requests(), 1)
}

func TestHeadersALoginAndAProxyOfTheUsersAreUsed(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.String() // a proxy gets the whole URL
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("no " + r.Header.Get("X-Api-Key") + " " + r.Header.Get("Authorization")))
	})
	c := Webhook{
		URL: "http://hooks.invalid/x", Username: "u", Password: "passw0rd-of-u",
		Connection: Connection{
			ProxyURL: secret(p.URL),
			Headers:  map[string]config.Secret{"X-Team": "ops", "X-Api-Key_file": config.Secret(file(t, "k3y-0f-the-api\n"))},
		},
	}
	a := send(t, Config{Webhook: &c}, opened(t))
	got := p.only(t)
	require.Equal(t, "http://hooks.invalid/x", <-asked)
	require.Equal(t, "ops", got.header.Get("X-Team"))
	require.Equal(t, "k3y-0f-the-api", got.header.Get("X-Api-Key"))
	require.Equal(t, "Basic dTpwYXNzdzByZC1vZi11", got.header.Get("Authorization"))
	require.Equal(t, "application/cloudevents+json", got.header.Get("Content-Type"))
	require.Contains(t, a.Error, "403 Forbidden")
	for _, leak := range []string{"k3y-0f-the-api", "dTpwYXNzdzByZC1vZi11", "passw0rd"} {
		require.NotContains(t, a.Error, leak)
	}
}

func TestAConnectionThatCannotWorkIsAProblemOfEveryKind(t *testing.T) {
	t.Parallel()
	for path, c := range map[string]Connection{
		"ca_file":              {CAFile: "/nowhere"},
		"client_cert_file":     {ClientKeyFile: "/nowhere"},
		"proxy_url":            {ProxyURL: "http://u:50%off@proxy:3128"},
		"headers.Content-Type": {Headers: map[string]config.Secret{"Content-Type": "text/plain"}},
		"headers.A B":          {Headers: map[string]config.Secret{"A B": "x"}},
		"headers.X":            {Headers: map[string]config.Secret{"X": "a\r\nb: c"}},
		"headers.X_file":       {Headers: map[string]config.Secret{"X_file": "/nowhere"}},
	} {
		for kind, receiver := range map[string]Config{
			"webhook": {Webhook: &Webhook{URL: "http://x", Connection: c}}, "slack": {Slack: &Slack{WebhookURL: "http://x", Connection: c}},
			"pagerduty": {PagerDuty: &PagerDuty{RoutingKey: "k", Connection: c}}, "teams": {Teams: &Teams{URL: "http://x", Connection: c}},
			"alertmanager": {Alertmanager: &Alertmanager{URL: "http://x", Connection: c}}, "ntfy": {Ntfy: &Ntfy{URL: "http://x", Topic: "t", Connection: c}},
			"discord": {Discord: &Discord{WebhookURL: "http://x", Connection: c}},
		} {
			ps := receiver.Problems()
			require.NotEmpty(t, ps, "%s %s", kind, path)
			require.Equal(t, kind+"."+path, ps[0].Path)
			require.NotContains(t, ps[0].Text, "50%off")
		}
	}
}

func TestANewHeaderIsAnotherConfiguration(t *testing.T) {
	t.Parallel()
	name := file(t, "one")
	c := func(value config.Secret) *Config {
		return &Config{Webhook: &Webhook{URL: "http://x", Connection: Connection{Headers: map[string]config.Secret{"A": value, "B_file": config.Secret(name)}}}}
	}
	first := c("x").Hash()
	require.Equal(t, first, c("x").Hash())
	require.NotEqual(t, first, c("y").Hash())
	require.NoError(t, os.WriteFile(name, []byte("two"), 0o600))
	require.NotEqual(t, first, c("x").Hash())
}
