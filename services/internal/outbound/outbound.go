// Package outbound is what the calls that leave the product have in common:
// whom they trust, by which proxy they go, what Retry-After asks for, and why
// there was no answer.
package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
)

// maxRoots is several times what systems ship.
const maxRoots = 4 << 20

// Roots are the CA certificates of a PEM file; nil, which are the system's,
// where file is empty.
func Roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := config.ReadFile(file, maxRoots)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return roots, nil
}

// TLS trusts roots, or the system's where they are nil.
func TLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// Proxy is the egress proxy of HTTP_PROXY, HTTPS_PROXY and NO_PROXY for one
// target, looked up once.
func Proxy(target *url.URL) func(*http.Request) (*url.URL, error) {
	via, err := http.ProxyFromEnvironment(&http.Request{URL: target})
	if err != nil || via == nil {
		return nil
	}
	return http.ProxyURL(via)
}

// Transport makes few calls, each to a server that the configuration names. It
// shares its connections with no other.
func Transport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     TLS(roots),
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAnswer},
	}
}

// An HTTP/2 connection that has been quiet for pingAfter is asked whether it is
// alive, and closed if it does not answer in pingAnswer: together less than one
// attempt may take.
const (
	pingAfter  = 4 * time.Second
	pingAnswer = 3 * time.Second
)

// Client follows no redirects: they would take a secret to another server.
// A timeout of zero is none. After a request that got no answer it uses another
// connection.
func Client(transport http.RoundTripper, timeout time.Duration) *http.Client {
	if t, ok := transport.(*http.Transport); ok {
		transport = newRenewing(t)
	}
	return &http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
