package e2e_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/redact/redacttest"
)

// The worst neighbours: upstreams that repeat the token in every parameter of
// their challenge, and a receiver that repeats the secret of its address, each
// in every encoding.
func TestNoEncodingOfASecretShowsInAnyOutput(t *testing.T) {
	t.Parallel()
	const token, hook = "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "B0Gxx7Kq9rTzLmNpQwEsYdFv2HjUaXcB4"
	w := newWorld(t)
	write(t, w.tokenFile, token+"\n")
	encodings := redacttest.Encodings()
	quote := strings.NewReplacer("\\", "\\\\", `"`, `\"`, "\r", " ", "\n", " ", "\x00", " ")
	at := func(r *http.Request) redacttest.Encoding {
		var i int
		_, _ = fmt.Sscanf(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], "%d", &i)
		return encodings[i]
	}
	up := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		said := quote.Replace(at(r).Encode(token))
		rw.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="%[1]s", error_description="bad token %[1]s", realm="%[1]s", scope="%[1]s", resource_metadata="https://x.example/%[1]s"`, said))
		rw.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(up.Close)
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(rw, "no hook "+at(r).Encode(hook)+strings.Repeat(" of yours", 20)+at(r).Encode(hook))
	}))
	t.Cleanup(receiver.Close)

	file := w.configure(t, `nats: {listen: "`+w.nats+`"}`)
	var workloads, receivers strings.Builder
	var names []string
	for i := range encodings {
		fmt.Fprintf(&workloads, "    - {name: w%d, settle: 0s, upstream: \"%s/%d\", credential: {bearer_token_file: %s}}\n", i, up.URL, i, w.tokenFile)
		fmt.Fprintf(&receivers, "    - {name: r%d, webhook: {url: \"%s/%s/%d\"}}\n", i, receiver.URL, hook, i)
		names = append(names, fmt.Sprintf("r%d", i))
	}
	write(t, file, `nats: {listen: "`+w.nats+`"}
data_dir: `+w.dir+`/data
proxy:
  listen: `+w.proxy+`
  admin_listen: `+w.proxyAdmin+`
  access_log: true
  workloads:
    - {name: github, upstream: "`+w.remote+`", credential: {bearer_token_file: `+w.tokenFile+`}}
`+workloads.String()+`status: {listen: `+w.status+`, admin_listen: `+w.statusAdmin+`}
notifier:
  admin_listen: `+w.notifierAdmin+`
  receivers:
    - {name: ops, webhook: {url: "`+w.webhook.url+`"}}
`+receivers.String()+`  routes:
    - {match: {workload: w0}, receivers: [`+strings.Join(names, ", ")+`], group_wait: 0s, continue: true}
    - {receivers: [ops], group_wait: 0s}
`)
	s := &oneProcess{world: w, file: file}
	s.start(t)
	texts := map[string]string{}
	for i, e := range encodings {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://%s/w%d", w.proxy, i), strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`))
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 503, resp.StatusCode)
		texts["answer, "+e.Name] = string(body)
	}
	for i := range encodings {
		name := fmt.Sprintf("w%d", i)
		eventually(t, name+" is known to be dead", func() bool { return w.recordOf(t, name).Status == events.StatusUnauthenticated })
	}
	eventually(t, "all receivers have refused", func() bool { return len(w.stream(t, "ALERT", events.TypeAlertFailed+".>")) >= len(encodings) })
	eventually(t, "the webhook is told of all", func() bool { return len(w.webhook.kinds()) >= len(encodings) })

	api := "http://" + w.status
	for _, args := range [][]string{{"list"}, {"show", "w3"}, {"why", "w0"}, {"why", "w0", "-o", "json"}, {"events"}, {"pending"}, {"try", "w9"}, {"try", "w30"}, {"test", "r7"}, {"test", "r40"}, {"check", "--online"}} {
		args = append(args, "-c", file)
		switch args[0] {
		case "list", "show", "why", "events":
			args = append(args, "--api", api)
		}
		p := authwatch(t, args...)
		texts["authwatch "+strings.Join(args[:2], " ")] = p.stdout.String() + p.stderr.String()
	}
	for i := range encodings {
		for _, path := range []string{"", "/history"} {
			url := fmt.Sprintf("%s/api/v1/workloads/w%d%s", api, i, path)
			resp, err := get(t.Context(), url)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			texts[url] = string(body)
		}
	}
	maps.Copy(texts, w.texts(t))
	s.p.stop(t)
	texts["log"] = s.output()
	require.Contains(t, texts["log"], `"msg":"request`, "the access log is on")
	for name, text := range texts {
		redacttest.RequireNone(t, text, token, name)
		redacttest.RequireNone(t, text, hook, name)
	}
	require.NoError(t, filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == w.tokenFile || path == file {
			return err
		}
		text, err := os.ReadFile(path)
		redacttest.RequireNone(t, string(text), token, path)
		redacttest.RequireNone(t, string(text), hook, path)
		return err
	}))
}
