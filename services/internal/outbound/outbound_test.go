package outbound_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/outbound"
)

func TestAServerOfAnOwnCAIsTrustedByItsFile(t *testing.T) {
	t.Parallel()
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	file := filepath.Join(t.TempDir(), "ca")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	require.NoError(t, os.WriteFile(file, block, 0o600))

	get := func(roots *x509.CertPool) (*http.Response, error) {
		return outbound.Client(outbound.Transport(roots), 0).Get(srv.URL)
	}
	system, err := outbound.Roots("")
	require.NoError(t, err)
	_, err = get(system)
	require.Equal(t, "its TLS certificate is from an unknown authority", outbound.Why(err))

	own, err := outbound.Roots(file)
	require.NoError(t, err)
	resp, err := get(own)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

func TestAFileWithoutACertificateIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ca")
	_, err := outbound.Roots(file)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(file, []byte("canary"), 0o600))
	_, err = outbound.Roots(file)
	require.EqualError(t, err, file+" holds no PEM certificate")
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(srv.Close)
	resp, err := outbound.Client(outbound.Transport(nil), 0).Post(srv.URL+"/here", "text/plain", strings.NewReader("secret"))
	require.NoError(t, err)
	require.Equal(t, http.StatusTemporaryRedirect, resp.StatusCode)
	require.Equal(t, []string{"/here"}, asked)
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "0": 0, "NaN": 0,
		"7": 7 * time.Second, "0.5": 500 * time.Millisecond,
		"1e300": 7 * 24 * time.Hour, "+Inf": 7 * 24 * time.Hour,
		now.Add(time.Minute).Format(http.TimeFormat):                       time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat):                      0,
		now.AddDate(1, 0, 0).UTC().Format(http.TimeFormat):                 7 * 24 * time.Hour,
		now.Add(time.Minute).Format("Monday, 02-Jan-06 15:04:05") + " GMT": time.Minute,
	} {
		require.Equal(t, want, outbound.RetryAfter(http.Header{"Retry-After": {value}}, now), value)
	}
	require.Equal(t, 7*time.Second, outbound.RetryAfter(http.Header{"Retry-After": {" 7 "}}, now))
	require.Zero(t, outbound.RetryAfter(http.Header{}, now))
}

func TestWhyThereWasNoAnswerIsSaidInAFewWords(t *testing.T) {
	t.Parallel()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	aborts := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(aborts.Close)
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	for url, want := range map[string]string{
		silent.URL:            "no answer in time",
		aborts.URL:            "it closed the connection",
		away.URL:              "connection refused",
		"http://name.invalid": "its name cannot be resolved",
		strings.Replace(aborts.URL, "http", "https", 1): "TLS could not be agreed on",
	} {
		client := outbound.Client(outbound.Transport(nil), 10*time.Second)
		if url == silent.URL {
			client.Timeout = 10 * time.Millisecond
		}
		_, err := client.Get(url)
		require.Error(t, err, url)
		require.Equal(t, want, outbound.Why(err), "%s: %v", url, err)
		require.Equal(t, want, outbound.Detail(err), "%s: %v", url, err)
	}
	require.Equal(t, "its name cannot be resolved", outbound.Why(&net.DNSError{Name: "secret"}))
	require.Equal(t, "no answer in time", outbound.Why(context.DeadlineExceeded))
}

func TestAnErrorWithoutWordsIsShownWithoutItsURLToOperatorsOnly(t *testing.T) {
	t.Parallel()
	fails := outbound.Client(fails{errors.New("odd 192.0.2.7")}, 0)
	_, err := fails.Get("http://u.invalid/secret")
	require.ErrorContains(t, err, "secret")
	require.Equal(t, "the connection failed", outbound.Why(err))
	require.Equal(t, "odd 192.0.2.7", outbound.Detail(err))
}

type fails struct{ err error }

func (f fails) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }
