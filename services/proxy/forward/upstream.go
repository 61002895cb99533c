package forward

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/authwatch/authwatch/services/internal/outbound"
)

// Options say how an upstream is reached. No limit cuts an answer that has begun.
type Options struct {
	URL     *url.URL
	RootCAs *x509.CertPool // nil: the system's

	ConnectTimeout time.Duration // TCP and, again, TLS
	HeaderTimeout  time.Duration // from the end of the request to the answer's headers
	MaxBody        int64         // of a request; 0: any size
	Via            string        // added to each request (RFC 9110 section 7.6.3); empty: nothing
	BodyTimeout    time.Duration // for a small request body to arrive, and of a pause in another; 0: 30 seconds
	// Dial replaces the way to the network; nil: TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Upstream forwards to one server and pools the connections to it.
type Upstream struct {
	transport   *http.Transport
	maxBody     int64
	via         string
	bodyTimeout time.Duration
	closesIdle  atomic.Bool // it has closed a connection of HTTP/1.1 that was kept for the next request
}

// idleConns is how many idle connections stay open, enough for the load of one
// process. With the default of 2 most requests would dial anew.
const idleConns = 2048

// connBuffer is the size of the two buffers that each connection holds while a
// stream is open. Larger bodies bypass them.
const connBuffer = 2 << 10

// New returns an upstream. It does not connect.
func New(o Options) *Upstream {
	secure := outbound.TLS(o.RootCAs)
	secure.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	u := &Upstream{maxBody: o.MaxBody, via: o.Via, bodyTimeout: cmp.Or(o.BodyTimeout, bodyTimeout)}
	u.transport = &http.Transport{
		Proxy:                  outbound.Proxy(o.URL), // looked up once
		DialContext:            u.dialer(o),
		TLSHandshakeTimeout:    o.ConnectTimeout,
		ResponseHeaderTimeout:  o.HeaderTimeout,
		ExpectContinueTimeout:  time.Second,
		TLSClientConfig:        secure,
		ReadBufferSize:         connBuffer,
		WriteBufferSize:        connBuffer,
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: 1 << 20,
		DisableCompression:     true, // else Accept-Encoding is added and the answer unpacked
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	return u
}

// RoundTrip sends one request of the proxy's own: a probe. Redirects are not
// followed.
func (u *Upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	return u.transport.RoundTrip(r)
}

// CloseIdle closes the connections that are not in use. Those that carry an
// exchange stay until it ends.
func (u *Upstream) CloseIdle() { u.transport.CloseIdleConnections() }
