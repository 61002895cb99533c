package receiver

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

func TestTheBuiltInTextSaysWhatHappenedAndWhatToDo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind  string
		open  bool
		title string
		text  string
	}{
		{events.KindOpened, true, "github is unauthenticated (invalid_token)", "Put a new token there"},
		{events.KindReminder, true, "github still is unauthenticated (invalid_token)", "Put a new token there"},
		{events.KindResolved, false, "github recovered", "not working from 2026-11-24 12:00:00 UTC to 2026-11-24 12:05:00 UTC (5m0s), invalid_token; now running"},
		{events.KindDigest, false, "github failed and recovered", "(5m0s)"},
		{events.KindDigest, true, "github changes often, now is unauthenticated (invalid_token)", "Put a new token there"},
		{events.KindTest, false, "authwatch test message", "This is a test: nothing is wrong."},
	} {
		m := sample(t, test.kind, test.open)
		require.NoError(t, Templates{}.Render(&m))
		require.Equal(t, test.title, m.Title)
		require.Contains(t, m.Text, test.text)
	}
}

func TestAGroupIsNamedInFull(t *testing.T) {
	t.Parallel()
	m := samples(noon)[1]
	m.Workloads[1].Status = m.Workloads[0].Status
	m.Note = "You are told in place of another."
	require.NoError(t, Templates{}.Render(&m))
	require.Equal(t, "github and search: token rejected", m.Title)
	require.Contains(t, m.Text, "github: the upstream rejected")
	require.Contains(t, m.Text, "search: unauthenticated since 2026-11-24 12:00:00 UTC")
	require.True(t, strings.HasSuffix(m.Text, "You are told in place of another."))
}

func TestATitleNamesTwoOrThreeWorkloadsAndCountsTheOthers(t *testing.T) {
	t.Parallel()
	for n, who := range map[int]string{
		1: "w1 is unauthenticated (invalid_token)", 2: "w1 and w2: token rejected (invalid_token)",
		3: "w1, w2 and w3: token rejected (invalid_token)", 4: "w1, w2 and 2 more: token rejected (invalid_token)",
		40: "w1, w2 and 38 more: token rejected (invalid_token)",
	} {
		m := group(t, n)
		require.NoError(t, Templates{}.Render(&m))
		require.Equal(t, who, m.Title)
	}
	m := group(t, 40)
	m.Workloads[3].Reason = "bare_401"
	require.Equal(t, "w1, w2 and 38 more: token rejected", title(m))
	m.Kind = events.KindReminder
	require.Equal(t, "w1, w2 and 38 more: token still rejected", title(m))
	m.Kind = events.KindDigest
	require.Equal(t, "w1, w2 and 38 more change often: token now rejected", title(m))
	m.Workloads[5].Status = events.StatusMissing
	require.Equal(t, "w1, w2 and 38 more change often: now not working", title(m))
	m.Kind, m.Open, m.Left = events.KindResolved, false, 2
	require.Equal(t, "w1, w2 and 38 more recovered, 2 still not working", title(m))
}

func TestWhatHappenedToAGroupIsExplainedOnce(t *testing.T) {
	t.Parallel()
	m := group(t, 40)
	require.NoError(t, Templates{}.Render(&m))
	require.Equal(t, 1, strings.Count(m.Text, "the token in /run/secrets/github"))
	require.Contains(t, m.Text, "The upstream rejected the token")
	require.Contains(t, m.Text, "Put a new token there")
	require.Contains(t, m.Text, "\nWorkloads: w1, w2, w3,")
	require.Contains(t, m.Text, ", w40")
	require.Contains(t, text(m, 3), "\nWorkloads: w1, w2, w3 and 37 more")
}

// group is the opening of n workloads of one credential.
func group(t *testing.T, n int) Message {
	t.Helper()
	m := opened(t)
	r := m.Workloads[0]
	m.Workloads = nil
	for i := range n {
		one := r
		one.Workload = fmt.Sprintf("w%d", i+1)
		one.Message = one.Workload + strings.TrimPrefix(r.Message, "github")
		m.Workloads = append(m.Workloads, one)
	}
	return m
}

func TestManyWorkloadsAreAllNamed(t *testing.T) {
	t.Parallel()
	m := opened(t)
	for i := range 500 {
		r := m.Workloads[0]
		r.Workload = "w" + strings.Repeat("x", i%7) + "-" + string(rune('a'+i%26))
		m.Workloads = append(m.Workloads, r)
	}
	require.NoError(t, Templates{}.Render(&m))
	for _, r := range m.Workloads {
		require.Contains(t, m.Text, r.Workload)
	}
}

func TestATemplateWritesTheText(t *testing.T) {
	t.Parallel()
	c := Config{
		Title: "{{ .Workload.Workload | upper }}: {{ .Kind }}\nsecond line",
		Text:  `{{ range .Workloads }}{{ .Workload }} since {{ time .Since }}{{ end }} {{ .Title }}`,
	}
	templates, err := c.Templates()
	require.NoError(t, err)
	m := opened(t)
	require.NoError(t, templates.Render(&m))
	require.Equal(t, "GITHUB: opened second line", m.Title)
	require.Equal(t, "github since 2026-11-24T12:00:00Z github is unauthenticated (invalid_token)", m.Text)
}

func TestATemplateThatFailsFallsBackToTheBuiltInText(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`{{ .Nope.Foo }}`,
		`{{ (index .Workloads 99).Workload }}`,
		`{{ range $i := .Workloads }}{{ printf "%999999d" 1 }}{{ end }}`,
	} {
		templates, err := (&Config{Text: source}).Templates()
		require.NoError(t, err)
		m := opened(t)
		require.Error(t, templates.Render(&m), source)
		require.Contains(t, m.Text, "Put a new token there")
	}
}

func TestATemplateIsRenderedForEveryKindWhenItIsChecked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ source, text string }{
		{`{{ .Kind`, "unclosed action"},
		{`{{ .Nope }}`, "Nope"},
		{`{{ .Workload.LastIncident.ID }}`, "kind opened"},
		{`{{ (index .Workloads 0).Workload }}`, "kind test"},
	} {
		c := Config{Name: "ops", Title: test.source, Log: &Log{}}
		ps := c.Problems()
		require.Len(t, ps, 1, test.source)
		require.Equal(t, "title", ps[0].Path)
		require.Contains(t, ps[0].Text, test.text)
	}
}

func TestATextTemplateHasALimitOfItsOwn(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("Call the people on duty. ", 80)
	c := Config{Name: "ops", Text: long + "{{ .Text }}", Log: &Log{}}
	require.Empty(t, c.Problems())
	c = Config{Name: "ops", Title: long, Log: &Log{}}
	require.Len(t, c.Problems(), 1)
}

func TestTheLogReceiverWritesOneLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := Config{Name: "console", Log: &Log{}}
	r, err := New(c, Options{Log: slog.New(slog.NewJSONHandler(&out, nil))})
	require.NoError(t, err)
	m := opened(t)
	require.NoError(t, Templates{}.Render(&m))
	require.Equal(t, plan.Result{Outcome: plan.Delivered}, r.Send(t.Context(), m))
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), `"title":"github is unauthenticated (invalid_token)"`)
	require.Contains(t, out.String(), `"level":"WARN"`)
}

func TestAReceiverHasExactlyOneKind(t *testing.T) {
	t.Parallel()
	none := Config{Name: "ops"}
	require.Contains(t, none.Problems()[0].Text, "has no kind; add one of")
	two := Config{Name: "ops", Log: &Log{}, Webhook: &Webhook{URL: "http://x"}}
	require.Contains(t, two.Problems()[0].Text, "is both log and webhook")
	require.Equal(t, "log", (&Config{Log: &Log{}}).Kind())
}
