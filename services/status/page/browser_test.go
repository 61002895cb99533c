//go:build page

package page

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

// browser starts a headless Chromium that ends with the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.Flag("headless", true), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true),
		chromedp.UserDataDir(t.TempDir()))
	ctx, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	t.Cleanup(end)
	require.NoError(t, chromedp.Do(ctx))
	ctx, end = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(end)
	return ctx
}

func serve(t *testing.T, f *fixture) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(f.handler(t))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func text(ctx context.Context, t *testing.T, selector string) string {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(selector)))
	require.NoError(t, err)
	return got
}

func evaluate[T any](ctx context.Context, t *testing.T, js string) T {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	return got
}

func TestChangeAppearsOnTheOpenPageWithoutReload(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.put(t, workload("github", events.StatusRunning, time.Hour))
	s := serve(t, f)
	ctx := browser(t)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(s.URL),
		chromedp.WaitVisible(chromedp.CSS(`.live.on`)),
		chromedp.Evaluate[chromedp.Void](`window.here = true`)))
	require.Contains(t, text(ctx, t, "h1"), "Nothing needs you")

	changed := time.Now()
	f.put(t, dead("github", 0))
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(`.card.bad`))))
	t.Logf("the change was on the page after %s", time.Since(changed))
	require.Contains(t, text(ctx, t, "h1"), "1 needs you")
	require.Contains(t, text(ctx, t, ".card"), "Put a new token there")
	require.True(t, evaluate[bool](ctx, t, `window.here === true`), "the page was loaded anew")
	require.Equal(t, "(1) authwatch", evaluate[string](ctx, t, `document.title`))
	require.Contains(t, evaluate[string](ctx, t, `document.getElementById("news").textContent`), "github is now unauthenticated")
}

func TestPageSaysThatItLostItsServer(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.mixed(t)
	s := httptest.NewServer(f.handler(t))
	ctx := browser(t)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(s.URL), chromedp.WaitVisible(chromedp.CSS(`.live.on`))))
	s.CloseClientConnections()
	s.Listener.Close()
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(`.live.off`))))
	require.Contains(t, text(ctx, t, "#lost"), "Not connected")
	require.Contains(t, text(ctx, t, ".card"), "github", "what was known stays")
	shot(ctx, t, "list-disconnected", 1280, 900, "light")
}

func TestPageComesBackWithItsServer(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.put(t, workload("github", events.StatusRunning, time.Hour))
	s := httptest.NewServer(f.handler(t))
	ctx := browser(t)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(s.URL), chromedp.WaitVisible(chromedp.CSS(`.live.on`))))
	address := s.Listener.Addr().String()
	s.CloseClientConnections()
	s.Listener.Close()
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(`.live.off`))))
	f.put(t, dead("github", 0))

	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	again := &httptest.Server{Listener: l, Config: &http.Server{Handler: f.handler(t), ReadHeaderTimeout: time.Second}}
	again.Start()
	t.Cleanup(func() { again.CloseClientConnections(); again.Close() })
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(`.live.on`)), chromedp.WaitVisible(chromedp.CSS(`.card.bad`))))
	require.True(t, evaluate[bool](ctx, t, `document.getElementById("lost").hidden`))
}

func TestFocusStaysWhereItIsWhenThePageChanges(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.fleet(t, 20)
	s := serve(t, f)
	ctx := browser(t)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(s.URL), chromedp.WaitVisible(chromedp.CSS(`.live.on`))))
	evaluate[any](ctx, t, `document.getElementById("w-service-0003").focus()`)
	f.put(t, dead("service-0007", 0))
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(`.card.bad`))))
	require.Equal(t, "w-service-0003", evaluate[string](ctx, t, `document.activeElement.id`))

	evaluate[any](ctx, t, `document.getElementById("name").focus()`)
	require.NoError(t, chromedp.Do(ctx, chromedp.SendKeys(chromedp.CSS(`#name`), "service-00")))
	f.put(t, dead("service-0008", 0))
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(`#w-service-0008`)), chromedp.WaitVisible(chromedp.CSS(`.card + .card`))))
	require.Equal(t, "service-00", evaluate[string](ctx, t, `document.getElementById("name").value`), "what is being typed stays")
	require.Equal(t, "name", evaluate[string](ctx, t, `document.activeElement.id`))
}

func TestPageWorksWithoutJavaScript(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.mixed(t)
	s := serve(t, f)
	ctx := browser(t)
	_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(s.URL)))
	require.Contains(t, text(ctx, t, "h1"), "2 need you")
	require.NoError(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS(`#w-github`)), chromedp.WaitVisible(chromedp.CSS(`#evidence`))))
	require.Contains(t, text(ctx, t, "main"), "invalid_token")
	require.Contains(t, text(ctx, t, "main"), "ops was notified of the incident")
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/?status=missing")))
	require.Contains(t, text(ctx, t, "main"), "sentry")
	require.NotContains(t, text(ctx, t, "main"), "billing")
}

func TestScriptInAChallengeStaysText(t *testing.T) {
	t.Parallel()
	f := newFixture()
	w := dead("github", time.Minute)
	w.Evidence.Response.Challenge.ErrorDescription = hostile
	w.Message = "github: the upstream rejected the token (" + hostile + ")."
	f.put(t, w)
	s := serve(t, f)
	ctx := browser(t)
	for _, path := range []string{"/", "/workloads/github"} {
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+path), chromedp.WaitVisible(chromedp.CSS(`.live.on`))))
		f.put(t, w) // and once more by way of the script
		require.Contains(t, text(ctx, t, "main"), hostile)
		require.NotEqual(t, "owned", evaluate[string](ctx, t, `document.title`))
		require.Zero(t, evaluate[int](ctx, t, `document.querySelectorAll("main script, main img").length`))
	}
}

func TestAThousandWorkloadsAreUsable(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.fleet(t, 1000)
	s := serve(t, f)
	ctx := browser(t)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(s.URL), chromedp.WaitVisible(chromedp.CSS(`.live.on`))))
	require.Equal(t, 1000, evaluate[int](ctx, t, `document.querySelectorAll(".rows li").length`))
	f.put(t, dead("service-0500", 0))
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(`.card.bad`))))
	shot(ctx, t, "list-1000", 1280, 900, "light")
}

// axe is the accessibility checker's script; `make page-test` puts it there.
func axe(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile(os.Getenv("AXE_JS"))
	require.NoError(t, err, "AXE_JS names axe.min.js of the npm package axe-core; make page-test sets it")
	return string(script)
}

type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

func TestAxeFindsNoViolation(t *testing.T) {
	t.Parallel()
	script := axe(t)
	f := newFixture()
	f.mixed(t)
	empty := serve(t, newFixture())
	s := serve(t, f)
	many := newFixture()
	many.fleet(t, 20)
	full := serve(t, many)
	ctx := browser(t)
	for _, scheme := range []string{"light", "dark"} {
		prefer(ctx, t, scheme)
		for name, url := range map[string]string{
			"list": s.URL, "workload": s.URL + "/workloads/github", "unknown workload": s.URL + "/workloads/nobody",
			"empty": empty.URL, "filter": full.URL, "nothing found": full.URL + "/?name=zzz",
		} {
			require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS(`.live.on`))))
			_ = evaluate[any](ctx, t, script+";0")
			found := evaluate[[]violation](ctx, t, `axe.run().then(r => r.violations)`)
			require.Empty(t, found, "%s in %s", name, scheme)
		}
	}
}

// prefer sets the reader's colour scheme.
func prefer(ctx context.Context, t *testing.T, scheme string) {
	t.Helper()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(t, err)
}

// shot keeps a screenshot in the folder SCREENSHOTS, where it is set.
func shot(ctx context.Context, t *testing.T, name string, width, height int64, scheme string) {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	prefer(ctx, t, scheme)
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, height)))
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
}

func TestScreenshots(t *testing.T) {
	t.Parallel()
	if os.Getenv("SCREENSHOTS") == "" {
		t.Skip("SCREENSHOTS names no folder")
	}
	f := newFixture()
	f.mixed(t)
	s := serve(t, f)
	good := newFixture()
	good.fleet(t, 8)
	quiet := serve(t, good)
	empty := serve(t, newFixture())
	ctx := browser(t)
	for name, url := range map[string]string{
		"list": s.URL, "workload": s.URL + "/workloads/github", "good": quiet.URL, "empty": empty.URL,
	} {
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS(`.live.on`))))
		shot(ctx, t, name+"-light", 1280, 900, "light")
		shot(ctx, t, name+"-dark", 1280, 900, "dark")
		shot(ctx, t, name+"-phone", 390, 844, "light")
		shot(ctx, t, name+"-phone-dark", 390, 844, "dark")
	}
}
