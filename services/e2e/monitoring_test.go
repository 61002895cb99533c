package e2e_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

const root = "../.."

// An alert of deploy/prometheus/rules.yml.
type alert struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func load(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	if filepath.Ext(file) == ".json" {
		require.NoError(t, json.Unmarshal(text, into), file)
		return
	}
	require.NoError(t, yaml.Unmarshal(text, into), file)
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []alert `yaml:"rules"`
		} `yaml:"groups"`
	}
	load(t, "deploy/prometheus/rules.yml", &file)
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

// A panel of deploy/grafana/dashboard.json.
type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ RefID, Expr string }
	FieldConfig struct{ Defaults struct{ Unit string } }
}

func panels(t *testing.T) []panel {
	t.Helper()
	var dashboard struct{ Panels []panel }
	load(t, "deploy/grafana/dashboard.json", &dashboard)
	require.NotEmpty(t, dashboard.Panels)
	return dashboard.Panels
}

// expressions are those of the alerts and, with its variables filled in, of the
// dashboard, by where they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, a := range alerts(t) {
		all[a.Alert] = a.Expr
	}
	fill := strings.NewReplacer("$job", ".*", "$__rate_interval", "1m")
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			all["panel "+p.Title+" "+target.RefID] = fill.Replace(target.Expr)
		}
	}
	return all
}

var (
	alertHeading = regexp.MustCompile(`(?m)^### (Authwatch\w+)$`)
	quotedLog    = regexp.MustCompile(`\("([^"]+)"\)`)
)

func TestEveryAlertSaysWhatToDoAndIsDescribed(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join(root, "docs/monitoring.md"))
	require.NoError(t, err)
	var described []string
	for _, m := range alertHeading.FindAllStringSubmatch(string(doc), -1) {
		described = append(described, m[1])
	}
	const docs = "{{ with $externalLabels.authwatch_docs }}{{ . }}{{ else }}https://github.com/authwatch/authwatch/blob/main/docs{{ end }}"
	logged := sources(t)
	var names, notLogged []string
	for _, a := range alerts(t) {
		names = append(names, a.Alert)
		require.Contains(t, []string{"critical", "warning"}, a.Labels["severity"], a.Alert)
		require.NotEmpty(t, a.Annotations["summary"], a.Alert)
		require.NotEmpty(t, a.Annotations["description"], a.Alert)
		require.Equal(t, docs+"/monitoring.md#"+strings.ToLower(a.Alert), a.Annotations["runbook_url"])
		for _, m := range quotedLog.FindAllStringSubmatch(a.Annotations["description"], -1) {
			if !strings.Contains(logged, `"`+m[1]) {
				notLogged = append(notLogged, m[1])
			}
		}
	}
	require.Empty(t, notLogged, "nothing logs that")
	require.Equal(t, names, described, "alerts, and sections of docs/monitoring.md")
}

// sources is the text of all programs.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	require.NoError(t, filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	}))
	return all.String()
}

func TestEveryAlertIsTestedToFireAndToBeSilent(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, "deploy/prometheus/*_test.yml"))
	require.NoError(t, err)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		var suite struct {
			Tests []struct {
				Alerts []struct {
					Name     string `yaml:"alertname"`
					Expected []struct {
						Annotations map[string]string `yaml:"exp_annotations"`
					} `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			} `yaml:"tests"`
		}
		load(t, "deploy/prometheus/"+filepath.Base(file), &suite)
		for _, test := range suite.Tests {
			for _, a := range test.Alerts {
				fires[a.Name] = fires[a.Name] || len(a.Expected) > 0
				silent[a.Name] = silent[a.Name] || len(a.Expected) == 0
			}
		}
	}
	for _, a := range alerts(t) {
		require.True(t, fires[a.Alert], "no test in which %s fires", a.Alert)
		require.True(t, silent[a.Alert], "no test in which %s is silent", a.Alert)
	}
	require.Len(t, fires, len(alerts(t)), "a test of an alert that is no more")
}

func TestTheDashboardHasNoOverlapAndNoPanelWithoutWords(t *testing.T) {
	t.Parallel()
	const columns = 24
	taken, ids := map[[2]int]string{}, map[int]string{}
	for _, p := range panels(t) {
		require.Empty(t, ids[p.ID], "%s has the id of another panel", p.Title)
		ids[p.ID] = p.Title
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, columns, p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s lies over another panel", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		require.NotEmpty(t, p.Targets, p.Title)
		require.NotEmpty(t, p.Description, p.Title)
		require.Contains(t, []string{"stat", "table", "timeseries"}, p.Type, "%s: of Grafana's own panels", p.Title)
		if p.Type == "timeseries" {
			require.NotEmpty(t, p.FieldConfig.Defaults.Unit, p.Title)
		}
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, "ALERTS{") { // which one has of all jobs
				require.Contains(t, target.Expr, `job=~"$job"`, p.Title)
			}
		}
	}
}

func TestTheContainersThatWatchAreAsBoundAsTheOthers(t *testing.T) {
	t.Parallel()
	var overlay struct {
		Services map[string]struct {
			Image    string   `yaml:"image"`
			User     string   `yaml:"user"`
			ReadOnly bool     `yaml:"read_only"`
			CapDrop  []string `yaml:"cap_drop"`
			Security []string `yaml:"security_opt"`
			Memory   string   `yaml:"mem_limit"`
			Pids     int      `yaml:"pids_limit"`
			Ports    []string `yaml:"ports"`
			Volumes  []string `yaml:"volumes"`
		} `yaml:"services"`
	}
	load(t, "deploy/compose.monitoring.yml", &overlay)
	require.Len(t, overlay.Services, 2)
	for name, s := range overlay.Services {
		require.Regexp(t, `:v?\d+\.\d+\.\d+$`, s.Image, name)
		require.Regexp(t, `^[1-9]\d*:\d+$`, s.User, "%s: a user that is not root", name)
		require.True(t, s.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.Equal(t, []string{"no-new-privileges:true"}, s.Security, name)
		require.NotEmpty(t, s.Memory, name)
		require.Positive(t, s.Pids, name)
		for _, p := range s.Ports {
			require.Regexp(t, `^127\.0\.0\.1:`, p, name)
		}
		for _, v := range s.Volumes {
			if from, _, _ := strings.Cut(v, ":"); strings.HasPrefix(from, "./") {
				require.True(t, strings.HasSuffix(v, ":ro"), v)
				_, err := os.Stat(filepath.Join(root, from))
				require.NoError(t, err)
			}
		}
	}
	require.True(t, slices.ContainsFunc(overlay.Services["grafana"].Volumes, func(v string) bool {
		return v == "./deploy/grafana:/etc/authwatch:ro"
	}), "its variables name files below /etc/authwatch")
}
