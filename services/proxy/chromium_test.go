//go:build page

package proxy_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy"
)

func TestAPageInABrowserReadsWhyItsCallWasRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newRemote(t).URL, func(w *world) {
		w.cfg.ClientAuth = &proxy.ClientAuth{BearerTokenFile: filepath.Join(w.dir, "clients")}
		require.NoError(t, os.WriteFile(w.cfg.ClientAuth.BearerTokenFile, []byte("client-token-number-1"), 0o600))
	})
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = rw.Write([]byte("<!DOCTYPE html><title>a client</title>"))
	}))
	t.Cleanup(site.Close)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.Flag("headless", true), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.UserDataDir(t.TempDir()))
	ctx, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	t.Cleanup(end)
	require.NoError(t, chromedp.Do(ctx))
	ctx, end = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(end)

	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(site.URL)))
	said, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(async () => {
		const call = token => fetch("`+w.url("/github")+`", {
			method: "POST", body: '{"jsonrpc":"2.0","id":7,"method":"tools/list"}',
			headers: {"Content-Type": "application/json", "Authorization": "Bearer " + token},
		});
		const stranger = await call("nobody"), dead = await call("client-token-number-1");
		return [stranger.status, stranger.headers.get("WWW-Authenticate"), dead.status, (await dead.json()).error.message].join("\n");
	})()`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	require.Regexp(t, `^401\nBearer[^\n]*\n503\ngithub: the upstream `, said)
}
