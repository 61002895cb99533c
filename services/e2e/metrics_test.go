package e2e_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
)

// A scrape has the values of each label of each series.
type scrape map[string]map[string][]string

var (
	sample = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? \S+$`)
	label  = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
)

func (s scrape) take(t *testing.T, address string) {
	t.Helper()
	resp, err := get(t.Context(), "http://"+address+"/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	for _, m := range sample.FindAllStringSubmatch(string(text), -1) {
		if s[m[1]] == nil {
			s[m[1]] = map[string][]string{}
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			s[m[1]][l[1]] = append(s[m[1]][l[1]], l[2])
		}
	}
}

// families are authwatch's own metrics, a histogram as one, with their labels.
func (s scrape) families() map[string][]string {
	all := map[string][]string{}
	for name, labels := range s {
		if !strings.HasPrefix(name, "authwatch_") {
			continue
		}
		base := strings.TrimSuffix(name, "_bucket")
		if base == name && (s[strings.TrimSuffix(name, "_sum")+"_bucket"] != nil || s[strings.TrimSuffix(name, "_count")+"_bucket"] != nil) {
			continue
		}
		all[base] = []string{}
		for l := range labels {
			if l != "le" {
				all[base] = append(all[base], l)
			}
		}
		slices.Sort(all[base])
	}
	return all
}

// eventful is what three services export after a life in which everything that
// they count has happened.
func eventful(t *testing.T) scrape {
	t.Helper()
	w := newWorld(t)
	file := w.configure(t, w.broker(t))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	ends := time.Now().AddDate(0, 1, 0).UTC().Format(time.RFC3339)
	write(t, file, strings.NewReplacer(
		w.tokenFile+"}", w.tokenFile+`, expires: "`+ends+`"}
    - {name: gitlab, kind: mcp, upstream: "`+w.remote+`", credential: {bearer_token_file: `+w.dir+`/none}}`,
	).Replace(string(text)))
	provision(t, file)

	nc, err := nats.Connect("nats://" + w.nats)
	require.NoError(t, err)
	defer nc.Close()
	for _, subject := range []string{"auth.unauthorized.github", "status.changed.nobody"} {
		require.NoError(t, nc.Publish(subject, []byte("not an event")))
	}
	require.NoError(t, nc.Flush())
	s := &threeProcesses{world: w, file: file}
	s.start(t)
	client := weather.NewClient(w.endpoint())
	defer client.Close()
	w.awaitCall(t, client)
	w.awaitStatus(t, events.StatusRunning)
	w.upstream.Accept("")
	require.Equal(t, http.StatusServiceUnavailable, postCall(t.Context(), w.endpoint()))
	w.awaitStatus(t, events.StatusUnauthenticated)
	w.upstream.Accept(secondToken)
	write(t, w.tokenFile, secondToken+"\n")
	w.awaitCall(t, client)
	w.awaitStatus(t, events.StatusRunning)
	eventually(t, "github is told of twice, gitlab once", func() bool { return len(w.webhook.kinds()) == 3 })

	all := scrape{"up": {}}
	for _, address := range []string{w.proxyAdmin, w.statusAdmin, w.notifierAdmin} {
		all.take(t, address)
	}
	return all
}

var (
	selector = regexp.MustCompile(`\b([a-zA-Z_]+)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`(\w+)(=~|!~|!=|=)"([^"]*)"`)
	metric   = regexp.MustCompile(`\b(?:authwatch_|process_|go_)\w+\b`)
	grouping = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right) ?\(([^)]*)\)`)
	text     = regexp.MustCompile(`"[^"]*"`)
)

func TestMetricsAreWhatIsAskedForAndWhatIsDescribed(t *testing.T) {
	t.Parallel()
	exported := eventful(t)

	t.Run("rules and dashboard", func(t *testing.T) {
		// What Prometheus itself knows: of a target, and of an alert.
		exported["ALERTS"] = map[string][]string{"alertname": nil, "alertstate": nil}
		known := []string{"job", "instance", "alertname", "severity"}
		for _, labels := range exported {
			for l := range labels {
				known = append(known, l)
			}
		}
		for where, expr := range expressions(t) {
			for _, name := range metric.FindAllString(text.ReplaceAllString(expr, ""), -1) {
				require.NotNil(t, exported[name], "%s: nothing exports %s", where, name)
			}
			for _, m := range selector.FindAllStringSubmatch(expr, -1) {
				require.NotNil(t, exported[m[1]], "%s: nothing exports %s", where, m[1])
				for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
					if l[1] == "job" {
						continue
					}
					require.Contains(t, exported[m[1]], l[1], "%s: %s", where, m[1])
					if l[2] == "=" && m[1] != "ALERTS" && l[1] != "state" { // of which a receiver has one
						require.Contains(t, exported[m[1]][l[1]], l[3], "%s: %s", where, m[1])
					}
				}
			}
			for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
				for l := range strings.SplitSeq(m[1], ",") {
					if l = strings.TrimSpace(l); l != "" {
						require.Contains(t, known, l, where)
					}
				}
			}
		}
	})

	t.Run("docs/monitoring.md", func(t *testing.T) {
		doc, err := os.ReadFile(filepath.Join(root, "docs/monitoring.md"))
		require.NoError(t, err)
		described := map[string][]string{}
		for _, row := range regexp.MustCompile("(?m)^\\| `(authwatch_[a-z_]+)` \\|([^|]*)\\|").FindAllStringSubmatch(string(doc), -1) {
			described[row[1]] = []string{}
			for _, l := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[2], -1) {
				described[row[1]] = append(described[row[1]], l[1])
			}
			slices.Sort(described[row[1]])
		}
		delete(exported, "ALERTS")
		require.Equal(t, exported.families(), described)
	})
}
