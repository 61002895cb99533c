package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// The tokens are canaries: they may appear in no output of anything.
const (
	firstToken  = "canary-1f6c0e7d2b-first"
	secondToken = "canary-9a4e83c5d7-second"
)

// world is what stands around authwatch: an MCP server behind a token, a file
// with the token, and a webhook.
type world struct {
	dir       string
	tokenFile string
	upstream  *upstream
	remote    string // URL of the MCP server
	webhook   *webhook

	nats, proxy, proxyAdmin, status, statusAdmin, notifierAdmin string // addresses
}

// upstream counts what the server refuses.
type upstream struct {
	*weather.Server

	rejected atomic.Int64
}

func newUpstream() *upstream {
	u := &upstream{Server: weather.NewServer(firstToken, nil)}
	u.OnReject(func(*http.Request, time.Time) { u.rejected.Add(1) })
	return u
}

func (u *upstream) Rejected() int { return int(u.rejected.Load()) }

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{
		dir: dir, tokenFile: filepath.Join(dir, "token"),
		upstream: newUpstream(), webhook: newWebhook(t),
		nats: natstest.FreeAddress(t), proxy: natstest.FreeAddress(t), proxyAdmin: natstest.FreeAddress(t),
		status: natstest.FreeAddress(t), statusAdmin: natstest.FreeAddress(t), notifierAdmin: natstest.FreeAddress(t),
	}
	server := httptest.NewServer(w.upstream)
	t.Cleanup(server.Close)
	w.remote = server.URL + "/mcp"
	write(t, w.tokenFile, firstToken+"\n")
	return w
}

// broker runs a nats-server, and returns the line of the configuration that names it.
func (w *world) broker(t *testing.T) (nats string) {
	t.Helper()
	host, port := splitAddress(t, w.nats)
	store := filepath.Join(w.dir, "broker")
	require.NoError(t, os.Mkdir(store, 0o700))
	start(t, "nats-server", "-js", "-sd", store, "-a", host, "-p", port)
	return `nats: {url: "nats://` + w.nats + `"}`
}

func provision(t *testing.T, file string) {
	t.Helper()
	p := authwatch(t, "provision", "-c", file)
	require.Zero(t, p.code(), p.stderr.String())
}

// configure writes the configuration file; nats is its first line.
func (w *world) configure(t *testing.T, nats string) string {
	t.Helper()
	file := filepath.Join(w.dir, "authwatch.yaml")
	write(t, file, nats+`
data_dir: `+w.dir+`/data
proxy:
  listen: `+w.proxy+`
  admin_listen: `+w.proxyAdmin+`
  workloads:
    - name: github
      kind: mcp
      upstream: `+w.remote+`
      credential: {bearer_token_file: `+w.tokenFile+`}
status: {listen: `+w.status+`, admin_listen: `+w.statusAdmin+`}
notifier:
  admin_listen: `+w.notifierAdmin+`
  receivers:
    - {name: ops, webhook: {url: "`+w.webhook.url+`"}}
  routes:
    - {receivers: [ops], group_wait: 0s}
`)
	return file
}

func (w *world) endpoint() string { return "http://" + w.proxy + "/github" }

// record is what the API says of the workload.
func (w *world) record(t *testing.T) events.Record {
	t.Helper()
	return w.recordOf(t, "github")
}

func (w *world) recordOf(t *testing.T, workload string) events.Record {
	t.Helper()
	var r events.Record
	resp, err := get(t.Context(), "http://"+w.status+"/api/v1/workloads/"+workload)
	if err != nil {
		return r
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&r))
	}
	return r
}

func (w *world) awaitStatus(t *testing.T, want events.Status) events.Record {
	t.Helper()
	var r events.Record
	eventually(t, "status "+string(want), func() bool {
		r = w.record(t)
		return r.Status == want
	})
	return r
}

// awaitCall calls the tool through the proxy until it works.
func (w *world) awaitCall(t *testing.T, c *weather.Client) {
	t.Helper()
	eventually(t, "a tool call succeeds", func() bool {
		text, err := c.Call(t.Context())
		return err == nil && text == "Lisbon: 21 °C, light rain"
	})
}

// webhook keeps the alerts that arrive.
type webhook struct {
	url string

	mu     sync.Mutex
	status int // answered while it is not 0, and nothing is kept
	calls  int
	ids    []string // of the deliveries
	bodies [][]byte
	header []http.Header  // of the calls that were answered well
	alerts []events.Alert // one a delivery
}

func newWebhook(t *testing.T) *webhook {
	t.Helper()
	h := &webhook{}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var envelope struct {
		ID   string       `json:"id"`
		Data events.Alert `json:"data"`
	}
	if err != nil || json.Unmarshal(body, &envelope) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.status != 0 {
		w.WriteHeader(h.status)
		return
	}
	h.bodies, h.header = append(h.bodies, body), append(h.header, r.Header)
	if !slices.Contains(h.ids, envelope.ID) { // as a receiver has to: the same id is the same message
		h.ids = append(h.ids, envelope.ID)
		h.alerts = append(h.alerts, envelope.Data)
	}
	h.calls++
}

func (h *webhook) refuse(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// called is how often the webhook was called, repetitions included.
func (h *webhook) called() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls
}

// kinds are the kinds of the alerts so far, in the order they came.
func (h *webhook) kinds() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var kinds []string
	for _, a := range h.alerts {
		kinds = append(kinds, a.Kind)
	}
	return kinds
}

// stream returns everything that a stream holds for a subject filter.
func (w *world) stream(t *testing.T, name, filter string) []*jetstream.RawStreamMsg {
	t.Helper()
	nc, err := nats.Connect("nats://" + w.nats)
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), name)
	require.NoError(t, err)
	var found []*jetstream.RawStreamMsg
	for seq := uint64(1); ; {
		m, err := stream.GetMsg(t.Context(), seq, jetstream.WithGetMsgSubject(filter))
		if err != nil {
			require.ErrorIs(t, err, jetstream.ErrMsgNotFound)
			return found
		}
		found = append(found, m)
		seq = m.Sequence + 1
	}
}

// count returns how many events of a type the bus holds.
func (w *world) count(t *testing.T, stream, typ string) int {
	t.Helper()
	return len(w.stream(t, stream, typ+".github"))
}

// transitions are the statuses that the STATUS stream went through.
func (w *world) transitions(t *testing.T) []events.Status {
	t.Helper()
	var path []events.Status
	for _, m := range w.stream(t, "STATUS", events.TypeStatusChanged+".github") {
		e, err := events.Unmarshal(m.Header, m.Data)
		require.NoError(t, err)
		r, err := events.ParseStatus(e)
		require.NoError(t, err)
		path = append(path, r.Status)
	}
	return path
}

// storm sends n requests that the upstream rejects, from that many clients.
func (w *world) storm(t *testing.T, clients, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range n / clients {
				postCall(t.Context(), w.endpoint())
			}
		})
	}
	wg.Wait()
}

// leaks searches everything that was written below the folder and the texts for
// a token. The token file itself is where it belongs.
func (w *world) leaks(t *testing.T, texts map[string]string) {
	t.Helper()
	for _, token := range []string{firstToken, secondToken} {
		for name, text := range texts {
			require.NotContains(t, text, token, "%s holds a token", name)
		}
		require.NoError(t, filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) { // the broker deletes while it works
				return nil
			}
			if err != nil || !d.Type().IsRegular() || path == w.tokenFile {
				return err
			}
			text, err := os.ReadFile(path)
			require.NotContains(t, string(text), token, "%s holds a token", path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}))
	}
}

// texts fetches what the listeners show.
func (w *world) texts(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, url := range []string{
		"http://" + w.proxyAdmin + "/metrics", "http://" + w.statusAdmin + "/metrics", "http://" + w.notifierAdmin + "/metrics",
		"http://" + w.status + "/", "http://" + w.status + "/api/v1/workloads",
		"http://" + w.status + "/api/v1/workloads/github", "http://" + w.status + "/api/v1/workloads/github/history",
	} {
		resp, err := get(t.Context(), url)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, url)
		texts[url] = string(text)
	}
	for _, name := range []string{"AUTH", "STATUS", "ALERT", "DEAD"} {
		for _, m := range w.stream(t, name, ">") {
			texts[name] += string(m.Data)
		}
	}
	w.webhook.mu.Lock()
	defer w.webhook.mu.Unlock()
	for _, body := range w.webhook.bodies {
		texts["webhook"] += string(body)
	}
	return texts
}

func postCall(ctx context.Context, endpoint string, header ...string) int {
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_forecast","arguments":{"city":"Lisbon"}}}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
