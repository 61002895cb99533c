package receiver

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/notifier/plan"
)

func TestEveryStatusCodeMeansOneThing(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]plan.Outcome{
		200: plan.Delivered, 201: plan.Delivered, 202: plan.Delivered, 204: plan.Delivered,
		301: plan.Refused, 302: plan.Refused, 307: plan.Refused, 308: plan.Refused, 304: plan.Refused,
		400: plan.Rejected, 401: plan.Refused, 403: plan.Refused, 404: plan.Refused, 405: plan.Refused,
		408: plan.Retry, 410: plan.Gone, 413: plan.Rejected, 415: plan.Rejected, 422: plan.Rejected,
		425: plan.Retry, 429: plan.Retry, 451: plan.Refused,
		500: plan.Retry, 501: plan.Refused, 502: plan.Retry, 503: plan.Retry, 504: plan.Retry, 599: plan.Retry,
	} {
		require.Equal(t, want, classify(code), "status %d", code)
	}
}

func TestAWishToWaitIsTakenFromAnAnswerThatAsksForAnotherAttempt(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	a := send(t, Config{Webhook: &Webhook{URL: secret(p.URL)}}, opened(t))
	require.Equal(t, plan.Retry, a.Outcome)
	require.Equal(t, 7*time.Second, a.RetryAfter)
	require.False(t, a.Uncertain)
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := newProvider(t, status(200, ""))
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	a := send(t, Config{Webhook: &Webhook{URL: secret(p.URL)}}, opened(t))
	require.Equal(t, plan.Refused, a.Outcome)
	require.Equal(t, 307, a.Status)
	require.Empty(t, elsewhere.requests())
}

func TestAReceiverThatNobodyListensForHasNotHeardTheMessage(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	a := send(t, Config{Webhook: &Webhook{URL: secret("http://" + l.Addr().String())}}, opened(t))
	require.Equal(t, plan.Retry, a.Outcome)
	require.False(t, a.Uncertain)
	require.Contains(t, a.Error, "connection refused")
}

func TestAConnectionCutAfterTheRequestMayHaveBeenHeard(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	})
	a := send(t, Config{Webhook: &Webhook{URL: secret(p.URL)}}, opened(t))
	require.Equal(t, plan.Retry, a.Outcome)
	require.True(t, a.Uncertain)
}

func TestAnAnswerThatBreaksOffAfterItsHeaderIsTaken(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
			_ = rw.Flush()
			_ = conn.Close()
		}
	})
	a := send(t, Config{Webhook: &Webhook{URL: secret(p.URL)}}, opened(t))
	require.Equal(t, plan.Delivered, a.Outcome)
}

func TestNoErrorHoldsASecretOfTheURL(t *testing.T) {
	t.Parallel()
	const token = "T0PS3CRET/B1GS3CRET"
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("no " + r.URL.Path + " and " + r.URL.RawQuery + " with " + r.Header.Get("Authorization")))
	})
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	for _, base := range []string{p.URL, down.URL, "http://no-such-host.invalid"} {
		a := send(t, Config{Webhook: &Webhook{
			URL:         secret(base + "/hooks/" + token + "?key=querys3cret"),
			BearerToken: "bearers3cret",
		}}, opened(t))
		require.NotEmpty(t, a.Error)
		for _, leak := range []string{"T0PS3CRET", "B1GS3CRET", "querys3cret", "bearers3cret"} {
			require.NotContains(t, a.Error, leak)
		}
	}
	a := send(t, Config{Webhook: &Webhook{URL: secret(p.URL + "/hooks/" + token)}}, opened(t))
	require.Contains(t, a.Error, "403 Forbidden: no ")
}

func TestAnAnswerWithoutEndIsReadInPart(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		b := bufio.NewWriter(w)
		for i := range 100_000 {
			_, _ = b.WriteString(strconv.Itoa(i))
		}
		_ = b.Flush()
	})
	a := send(t, Config{Webhook: &Webhook{URL: secret(p.URL)}}, opened(t))
	require.Less(t, len(a.Error), 300)
}
