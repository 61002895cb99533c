package status

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// document is what the test needs of openapi.yaml.
type document struct {
	OpenAPI string
	Paths   map[string]map[string]any
	root    any
}

func readDocument(t *testing.T) document {
	t.Helper()
	var d document
	require.NoError(t, yaml.Unmarshal(openapi, &d))
	asJSON, err := yaml.YAMLToJSON(openapi)
	require.NoError(t, err)
	d.root, err = jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
	require.NoError(t, err)
	return d
}

// check validates a body against the schema that the document gives for it.
func (d document) check(t *testing.T, path, status, mediaType, body string) {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource("openapi.json", d.root))
	pointer := "#/components/responses/Problem"
	if status == "200" {
		escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(path)
		pointer = "#/paths/" + escaped + "/get/responses/200"
	}
	pointer += "/content/" + strings.ReplaceAll(mediaType, "/", "~1") + "/schema"
	schema, err := c.Compile("openapi.json" + pointer)
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(value), "%s answered %s", path, body)
}

func TestServerAnswersAsItsDocumentSays(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	require.Equal(t, "3.1.0", d.OpenAPI)
	b := natstest.Bus(t)
	s := start(t, b)
	publish(t, b, events.TypeAuthorized, "github", "t1")
	publish(t, b, events.TypeUnauthorized, "github", "t1")
	publish(t, b, events.TypeForbidden, "github", "t1")
	publish(t, b, events.TypeLoaded, "gitlab", "t1")
	for typ, e := range map[string]string{events.TypeAlertDelivered: "", events.TypeAlertFailed: "410 gone"} {
		receipt, err := events.New(typ, "urn:authwatch:notifier", "github", time.Now(), events.Receipt{
			Receiver: "ops", DeliveryID: "d1", Kind: events.KindOpened, Workload: "github", Attempts: 1, Error: e,
		})
		require.NoError(t, err)
		require.NoError(t, b.Publish(t.Context(), receipt))
	}
	s.becomes(t, "gitlab", events.StatusUnverified)
	require.Eventually(t, func() bool { return s.workload(t, "github").Forbidden != nil }, 10*time.Second, 5*time.Millisecond)

	documented := map[string]bool{}
	for _, c := range []struct{ path, url, status string }{
		{"/api/v1/workloads", "/api/v1/workloads", "200"},
		{"/api/v1/workloads", "/api/v1/workloads?status=unauthenticated,missing&name=git*", "200"},
		{"/api/v1/workloads", "/api/v1/workloads?colour=red", "400"},
		{"/api/v1/workloads", "/api/v1/workloads?name=[", "400"},
		{"/api/v1/workloads/{name}", "/api/v1/workloads/github", "200"},
		{"/api/v1/workloads/{name}", "/api/v1/workloads/nobody", "404"},
		{"/api/v1/workloads/{name}/history", "/api/v1/workloads/github/history", "200"},
		{"/api/v1/workloads/{name}/history", "/api/v1/workloads/github/history?limit=0", "400"},
		{"/api/v1/workloads/{name}/history", "/api/v1/workloads/nobody/history", "404"},
		{"/api/v1/workloads/{name}/receipts", "/api/v1/workloads/github/receipts", "200"},
		{"/api/v1/workloads/{name}/receipts", "/api/v1/workloads/github/receipts?limit=x", "400"},
		{"/api/v1/workloads/{name}/receipts", "/api/v1/workloads/nobody/receipts", "404"},
	} {
		code, header, body := s.get(t, c.url)
		require.Equal(t, c.status, strconv.Itoa(code), "%s: %s", c.url, body)
		want := "application/json"
		if c.status != "200" {
			want = "application/problem+json"
		}
		require.Equal(t, want, header.Get("Content-Type"))
		d.check(t, c.path, c.status, want, body)
		documented[c.path] = true
	}
	for path := range d.Paths {
		if path == "/api/v1/events" || path == "/openapi.yaml" {
			continue // streams and this document
		}
		require.True(t, documented[path], "%s is documented and not tested", path)
	}
	_, _, body := s.get(t, "/openapi.yaml")
	require.Equal(t, string(openapi), body)
}

func TestListIsFilteredAndSorted(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	for _, name := range []string{"prod-b", "prod-a", "dev-a"} {
		publish(t, b, events.TypeAuthorized, name, "t1")
		s.becomes(t, name, events.StatusRunning)
	}
	publish(t, b, events.TypeUnauthorized, "prod-b", "t1")
	s.becomes(t, "prod-b", events.StatusUnauthenticated)
	for query, want := range map[string][]string{
		"":                                 {"dev-a", "prod-a", "prod-b"},
		"?status=running":                  {"dev-a", "prod-a"},
		"?status=running,unauthenticated":  {"dev-a", "prod-a", "prod-b"},
		"?status=missing&status=running":   {"dev-a", "prod-a"},
		"?name=prod-*":                     {"prod-a", "prod-b"},
		"?name=prod-a":                     {"prod-a"},
		"?name=prod-*&status=missing":      {},
		"?status=of-a-later-version":       {},
		"?name=prod-?&status=unauthorized": {},
	} {
		_, _, body := s.get(t, "/api/v1/workloads"+query)
		var list struct{ Workloads []events.Record }
		require.NoError(t, json.Unmarshal([]byte(body), &list))
		names := []string{}
		for _, w := range list.Workloads {
			names = append(names, w.Workload)
		}
		require.Equal(t, want, names, query)
		require.NotContains(t, body, "null")
	}
}

func TestUnchangedListIsNotSentAgain(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	publish(t, b, events.TypeAuthorized, "github", "t1")
	s.becomes(t, "github", events.StatusRunning)
	ask := func(tag string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address()+"/api/v1/workloads", nil)
		require.NoError(t, err)
		req.Header.Set("If-None-Match", tag)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		res.Body.Close()
		return res
	}
	first := ask("")
	require.Equal(t, http.StatusOK, first.StatusCode)
	tag := first.Header.Get("ETag")
	require.NotEmpty(t, tag)
	require.Equal(t, http.StatusNotModified, ask(tag).StatusCode)
	require.Equal(t, http.StatusNotModified, ask(`"other", W/`+tag).StatusCode)

	publish(t, b, events.TypeUnauthorized, "github", "t1")
	s.becomes(t, "github", events.StatusUnauthenticated)
	require.Equal(t, http.StatusOK, ask(tag).StatusCode)
}

func TestAPIOnlyReads(t *testing.T) {
	t.Parallel()
	s := start(t, natstest.Bus(t))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address()+"/api/v1/workloads/github", nil)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
		require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
	}
	code, _, _ := s.get(t, "/api/v1/nothing")
	require.Equal(t, http.StatusNotFound, code)
}

func TestAListenerOnAllAddressesServesNoUnknownNames(t *testing.T) {
	t.Parallel()
	s := start(t, natstest.Bus(t), func(o *Options) {
		o.Config.Listen = "0.0.0.0:0"
		o.Config.AllowedHosts = []string{"status.example.com"}
	})
	for host, want := range map[string]int{
		"localhost:8081": 200, "10.0.0.1:8081": 200, "status.example.com": 200, "evil.example.com": 403, "127.0.0.1.evil.example.com": 403,
	} {
		code, problem := s.getAs(t, host, "/api/v1/workloads")
		require.Equal(t, want, code, host)
		if want == http.StatusForbidden {
			require.Equal(t, "application/problem+json", problem)
		}
	}
}

func TestLoopbackListenerServesLoopbackNamesOnly(t *testing.T) {
	t.Parallel()
	s := start(t, natstest.Bus(t), func(o *Options) { o.Config.AllowedHosts = []string{"status.example.com"} })
	for host, want := range map[string]int{
		"localhost:8081": 200, "127.0.0.1": 200, "[::1]:8081": 200, "authwatch.localhost": 200, "LOCALHOST.": 200,
		"status.example.com": 200, "evil.example.com": 403, "127.0.0.1.evil.example.com": 403, "10.0.0.1:8081": 403,
	} {
		for _, path := range []string{"/", "/api/v1/workloads"} {
			code, _ := s.getAs(t, host, path)
			require.Equal(t, want, code, "%s%s", host, path)
		}
	}
}

// getAs asks with a Host of its own, and returns the code and the content type.
func (r running) getAs(t *testing.T, host, path string) (code int, contentType string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.address()+path, http.NoBody)
	require.NoError(t, err)
	req.Host = host
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	res.Body.Close()
	return res.StatusCode, res.Header.Get("Content-Type")
}
