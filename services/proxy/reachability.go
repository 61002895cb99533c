package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// unreachableAfter is how many failures in a row, one may be chance.
const unreachableAfter = 3

// reach knows whether a workload's upstream answers. It is independent of what
// the upstream thinks of the credential.
type reach struct {
	failures atomic.Int32 // in a row; what requests look at

	mu    sync.Mutex
	down  bool
	since time.Time // of the present state
	why   string
}

func (r *reach) ok() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.down
}

func (r *reach) get() (ok bool, since time.Time, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.down, r.since, r.why
}

// answered reports whether that is news.
func (r *reach) answered(now time.Time) bool {
	if r.failures.Load() == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures.Store(0)
	if !r.down {
		return false
	}
	r.down, r.since, r.why = false, now, ""
	return true
}

// failed reports whether that is news.
func (r *reach) failed(now time.Time, why string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures.Add(1) < unreachableAfter {
		return false
	}
	was := r.down
	if !was {
		r.since = now
	}
	r.down, r.why = true, why
	return !was
}

// isGateway reports whether a status is that of a gateway which did not reach
// the upstream behind it.
func isGateway(status int) bool {
	return status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout
}

// why says in a few words, without addresses or URLs of the inside, why there
// is no answer.
func why(err error) string {
	var (
		dns      *net.DNSError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		alert    tls.AlertError
		timeout  net.Error
	)
	switch {
	case errors.As(err, &dns):
		return "its name cannot be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &unknown), errors.As(err, &hostname), errors.As(err, &invalid):
		return "its TLS certificate is not valid"
	case errors.As(err, &record), errors.As(err, &alert):
		return "TLS could not be agreed on"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it closed the connection"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to it"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	}
	return "the connection failed"
}
