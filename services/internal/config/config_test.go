package config_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
)

type root struct {
	NATS    nats           `yaml:"nats"`
	DataDir string         `yaml:"data_dir"`
	Proxy   proxy          `yaml:"proxy"`
	Status  config.Ignored `yaml:"status"`
}

type nats struct {
	URL          string        `yaml:"url"`
	Password     config.Secret `yaml:"password"`
	PasswordFile string        `yaml:"password_file"`
}

type proxy struct {
	Listen    string            `yaml:"listen"`
	Anonymous bool              `yaml:"allow_anonymous_clients"`
	Idle      config.Duration   `yaml:"idle_timeout"`
	Ratio     float64           `yaml:"ratio"`
	Auth      *auth             `yaml:"client_auth"`
	Labels    map[string]string `yaml:"labels"`
	Workloads []workload        `yaml:"workloads"`
}

type auth struct {
	File string `yaml:"bearer_token_file"`
}

type workload struct {
	Name   string `yaml:"name"`
	Listen string `yaml:"listen"`
	After  int    `yaml:"unauthorized_after"`
	Bytes  uint16 `yaml:"bytes"`
	common `yaml:",inline"`
}

type common struct {
	Kind string `yaml:"kind"`
}

func parse(t *testing.T, text string) (root, error) {
	t.Helper()
	var r root
	_, err := config.Parse("authwatch.yaml", []byte(text), &r)
	return r, err
}

func TestAFileFillsTheStructAndLeavesDefaultsWhereItIsSilent(t *testing.T) {
	t.Parallel()
	r := root{DataDir: "./data", Proxy: proxy{Idle: 5, Listen: "127.0.0.1:8080"}}
	_, err := config.Parse("authwatch.yaml", []byte(`
nats: {url: "nats://nats:4222", password: 007}
proxy:
  allow_anonymous_clients: true
  idle_timeout: 1d12h
  ratio: 0.5
  client_auth:
  labels: {team: a, 1: yes}
  workloads:
    - name: github
      unauthorized_after: 3
      bytes: 65535
    - {name: "two words", listen: 8090}
status: [{whatever: "${env:AUTHWATCH_NOT_SET}"}]
`), &r)
	require.NoError(t, err)
	require.Equal(t, root{
		NATS:    nats{URL: "nats://nats:4222", Password: "007"},
		DataDir: "./data",
		Proxy: proxy{
			Listen:    "127.0.0.1:8080",
			Anonymous: true,
			Idle:      config.Duration(36 * 3600e9),
			Ratio:     0.5,
			Auth:      &auth{},
			Labels:    map[string]string{"team": "a", "1": "yes"},
			Workloads: []workload{
				{Name: "github", After: 3, Bytes: 65535},
				{Name: "two words", Listen: "8090"},
			},
		},
	}, r)
}

func TestAnchorsAreFollowed(t *testing.T) {
	t.Parallel()
	r, err := parse(t, `
proxy:
  listen: &here 127.0.0.1:1
  workloads:
    - {name: a, listen: *here, kind: mcp}
`)
	require.NoError(t, err)
	require.Equal(t, workload{Name: "a", Listen: "127.0.0.1:1", common: common{Kind: "mcp"}}, r.Proxy.Workloads[0])
}

func TestEachMistakeIsNamedWithItsLineAndWhatToWriteInstead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"misspelt key": {
			"proxy:\n  workloads:\n    - name: a\n      listn: 1\n",
			`authwatch.yaml:4: proxy.workloads[0]: unknown key "listn"; did you mean "listen"?`,
		},
		"swapped letters": {"porxy: {}\n", `authwatch.yaml:1: unknown key "porxy"; did you mean "proxy"?`},
		"upper case":      {"Proxy: {}\n", `authwatch.yaml:1: unknown key "Proxy"; did you mean "proxy"?`},
		"key like no other": {
			"proxy:\n  client_auth: {zzz: 1}\n",
			`authwatch.yaml:2: proxy.client_auth: unknown key "zzz"; known here: bearer_token_file`,
		},
		"number for text in a number field": {
			"proxy:\n  workloads:\n  - {name: a, unauthorized_after: many}\n",
			`authwatch.yaml:3: proxy.workloads[0].unauthorized_after: expected a whole number, found "many"`,
		},
		"number that does not fit": {
			"proxy:\n  workloads:\n  - {name: a, bytes: 65536}\n",
			`authwatch.yaml:3: proxy.workloads[0].bytes: expected a whole number from 0 up, found "65536"`,
		},
		"quoted number": {
			"proxy:\n  workloads:\n  - {unauthorized_after: '3'}\n",
			`authwatch.yaml:3: proxy.workloads[0].unauthorized_after: expected a whole number, found text in quotes`,
		},
		"yes for a boolean": {
			"proxy:\n  allow_anonymous_clients: yes\n",
			`authwatch.yaml:2: proxy.allow_anonymous_clients: expected true or false, found "yes"`,
		},
		"duration without unit": {
			"proxy:\n  idle_timeout: 30\n",
			`authwatch.yaml:2: proxy.idle_timeout: "30" is not a duration; write it as "30s", "4h" or "7d"`,
		},
		"list for text":       {"data_dir: [a]\n", `authwatch.yaml:1: data_dir: expected text, found a list`},
		"mapping for text":    {"data_dir:\n  a: b\n", `authwatch.yaml:2: data_dir: expected text, found a mapping`},
		"mapping for list":    {"proxy: {workloads: {name: a}}\n", `authwatch.yaml:1: proxy.workloads: expected a list, found a mapping`},
		"text for mapping":    {"proxy: on\n", `authwatch.yaml:1: proxy: expected a mapping (key: value), found text`},
		"no value":            {"data_dir:\nproxy:\n", `authwatch.yaml:1: data_dir: has no value; give one or remove the key`},
		"empty list entry":    {"proxy:\n  workloads:\n    - name: a\n    -\n", `authwatch.yaml:4: proxy.workloads[1]: the list entry is empty`},
		"key given twice":     {"data_dir: a\nproxy: {}\ndata_dir: b\n", `authwatch.yaml:3: key "data_dir" is given twice, first on line 1`},
		"unknown anchor":      {"data_dir: *here\n", `authwatch.yaml:1: data_dir: expected text, found the unknown anchor *here`},
		"anchor of itself":    {"proxy: {workloads: &a [*a]}\n", `authwatch.yaml:1: proxy.workloads[0]: expected a mapping (key: value), found a list`},
		"tag":                 {"data_dir: !!binary aGk=\n", `authwatch.yaml:1: data_dir: expected text, found the tag !!binary (tags are not supported)`},
		"merge key":           {"proxy:\n  <<: {listen: x}\n", `authwatch.yaml:2: proxy: merge keys (<<) are not supported; write the keys out`},
		"tab":                 {"proxy:\n\tlisten: a\n", `authwatch.yaml:2: not valid YAML: a tab indents this line; use spaces`},
		"unclosed quote":      {"proxy: {}\ndata_dir: 'x\n", `authwatch.yaml:2: not valid YAML: could not find end character of single-quoted text`},
		"second document":     {"data_dir: a\n---\ndata_dir: b\n", `authwatch.yaml:3: a second document starts here; a configuration file holds one`},
		"empty file":          {"", `authwatch.yaml: the file is empty`},
		"comments only":       {"# proxy:\n", `authwatch.yaml: the file is empty`},
		"list at the top":     {"- a\n", `authwatch.yaml:1: expected sections such as "proxy:", found a list`},
		"text at the top":     {"hello\n", `authwatch.yaml:1: expected sections such as "proxy:", found text`},
		"no UTF-8":            {"a: b\nc: \xff\xfe\n", `authwatch.yaml:2: not UTF-8 text`},
		"binary":              {"\x00\x01", `authwatch.yaml:1: not UTF-8 text`},
		"variable not set":    {"\ndata_dir: a${env:AUTHWATCH_NOT_SET}b\n", `authwatch.yaml:2: data_dir: environment variable AUTHWATCH_NOT_SET is not set`},
		"variable not closed": {"data_dir: '${env:HOME'\n", `authwatch.yaml:1: data_dir: ${env: needs the name of an environment variable: ${env:NAME}`},
		"variable not named":  {"data_dir: ${env:a b}\n", `authwatch.yaml:1: data_dir: ${env: needs the name of an environment variable: ${env:NAME}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t, c.text)
			require.EqualError(t, err, c.want)
		})
	}
}

func TestAllMistakesAreReportedInTheOrderOfTheirLines(t *testing.T) {
	t.Parallel()
	_, err := parse(t, "proxy:\n  listn: a\n  ratio: x\nnope: 1\nnats: {url: [], urll: a}\n")
	var es config.Errors
	require.ErrorAs(t, err, &es)
	require.EqualError(t, err, `authwatch.yaml:2: proxy: unknown key "listn"; did you mean "listen"?
authwatch.yaml:3: proxy.ratio: expected a number, found "x"
authwatch.yaml:4: unknown key "nope"; known here: data_dir, nats, proxy, status
authwatch.yaml:5: nats: unknown key "urll"; did you mean "url"?
authwatch.yaml:5: nats.url: expected text, found a list`)
	require.Len(t, es, 5)
}

func TestAByteOrderMarkAndADocumentMarkAreAccepted(t *testing.T) {
	t.Parallel()
	r, err := parse(t, "\uFEFF%YAML 1.2\n---\r\ndata_dir: a\r\n...\r\n")
	require.NoError(t, err)
	require.Equal(t, "a", r.DataDir)
}

func TestAFileThatCannotBeReadIsNamedWithTheReason(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "none.yaml")
	_, err := config.Load(missing, &root{})
	require.EqualError(t, err, missing+": no such file or directory")
	require.ErrorIs(t, err, fs.ErrNotExist)

	_, err = config.Load(dir, &root{})
	require.EqualError(t, err, dir+": is a directory")

	large := filepath.Join(dir, "large.yaml")
	require.NoError(t, os.WriteFile(large, make([]byte, 5<<20), 0o600))
	_, err = config.Load(large, &root{})
	require.EqualError(t, err, large+": larger than 4194304 bytes")
}

func TestAFileThatWouldKeepTheParserBusyIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	deep, wide := "lists and mappings are nested too deep here", "the mapping has too many keys"
	for part, want := range map[string]string{
		"[": deep, "{": deep, "[\n": deep, "- ": deep, "a: {": deep, "[a,": deep, "a: b\n": wide, "{a: b, ": deep, "x: [[],\n": deep,
	} {
		_, err := config.Parse("f.yaml", []byte(strings.Repeat(part, size/len(part))), &root{})
		require.ErrorContains(t, err, want, "%q", part)
	}
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprintf("k%d: [%s]", i, strings.Repeat("[],", 100))
	}
	_, err := config.Parse("f.yaml", []byte("proxy:\n  workloads: [{"+strings.Join(keys, ", ")+"}]\n"), &root{})
	require.EqualError(t, err, "f.yaml:2: "+wide)
}

func TestAsManyWorkloadsAsFitAreRead(t *testing.T) {
	t.Parallel()
	var r root
	one := "    - name: a\n      listen: x\n"
	_, err := config.Parse("f.yaml", []byte("proxy:\n  workloads:\n"+strings.Repeat(one, 10000)), &r)
	require.NoError(t, err)
	require.Len(t, r.Proxy.Workloads, 10000)
}

func TestProblemsOfASectionPointAtTheirLines(t *testing.T) {
	t.Parallel()
	var r root
	d, err := config.Parse("authwatch.yaml", []byte("proxy:\n  workloads:\n    - name: a\n    - name: a\n      listen: x\n"), &r)
	require.NoError(t, err)
	require.NoError(t, d.Check("proxy", nil))
	err = d.Check("proxy", []config.Problem{
		{Path: "workloads[1].name", Text: `"a" is taken; names are unique`},
		{Path: "workloads[0].upstream", Text: "is required"},
		{Path: "", Text: "has no listener"},
	})
	require.EqualError(t, err, `authwatch.yaml:1: proxy: has no listener
authwatch.yaml:3: proxy.workloads[0].upstream: is required
authwatch.yaml:4: proxy.workloads[1].name: "a" is taken; names are unique`)
	require.EqualError(t, d.Locate("nats", config.Problem{Path: "url", Text: "is required"}), "authwatch.yaml: nats.url: is required")
}

func TestProblemsOfAllSectionsComeTogether(t *testing.T) {
	t.Parallel()
	var r root
	d, err := config.Parse("a.yaml", []byte("proxy: {}\nnats: {}\n"), &r)
	require.NoError(t, err)
	require.NoError(t, d.CheckAll(map[string][]config.Problem{"proxy": nil, "nats": {}}))
	require.EqualError(t, d.CheckAll(map[string][]config.Problem{
		"nats":  {{Path: "url", Text: "is required"}},
		"proxy": {{Path: "listen", Text: "b"}, {Path: "idle_timeout", Text: "a"}},
	}), "a.yaml:1: proxy.idle_timeout: a\na.yaml:1: proxy.listen: b\na.yaml:2: nats.url: is required")
}

func FuzzParse(f *testing.F) {
	f.Add("proxy:\n  workloads:\n    - {name: a, listen: ${env:HOME}}\n")
	f.Add("a: &a [*a, {<<: *a}]\n? x\n: !!str y\n--- |\n z\n")
	f.Fuzz(func(_ *testing.T, text string) {
		var r root
		if d, err := config.Parse("f.yaml", []byte(text), &r); err == nil {
			_ = d.Locate("proxy", config.Problem{Path: "workloads[0].name", Text: "x"}).Error()
		}
	})
}

func TestErrorsThatAreNoProblemsOfTheFileStayAsTheyAre(t *testing.T) {
	t.Parallel()
	d := &config.Document{}
	require.NoError(t, d.Locate("proxy", nil))
	require.Equal(t, fs.ErrExist, d.Locate("proxy", fs.ErrExist))
}
