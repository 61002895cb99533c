package receiver

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Alertmanager posts to the API v2 of a Prometheus Alertmanager, one alert a
// workload. Its labels name the workload and nothing that changes within an
// incident, so Alertmanager sees one alert begin and end. As Prometheus does, it
// posts to every server of a cluster, and again every minute while an alert is
// open: a server that restarts remembers none.
type Alertmanager struct {
	Connection `yaml:",inline"`

	URL             config.Secret     `yaml:"url"` // of the server, without /api/v2
	URLFile         string            `yaml:"url_file"`
	URLs            []config.Secret   `yaml:"urls"` // of further servers of its cluster
	BearerToken     config.Secret     `yaml:"bearer_token"`
	BearerTokenFile string            `yaml:"bearer_token_file"`
	Username        string            `yaml:"username"`
	Password        config.Secret     `yaml:"password"`
	PasswordFile    string            `yaml:"password_file"`
	Labels          map[string]string `yaml:"labels"`      // added to every alert
	Annotations     map[string]string `yaml:"annotations"` // likewise
}

const (
	repeatAlerts = time.Minute
	// alertLife is how long Alertmanager keeps an open alert without hearing of
	// it: a few repetitions may get lost, but what nobody knows of any more ends.
	alertLife = 5 * repeatAlerts
	// alertsAtOnce is how many alerts one request holds.
	alertsAtOnce = 200
)

const runbooks = "https://github.com/authwatch/authwatch/blob/main/docs/monitoring.md#"

func (*Alertmanager) rate() Rate { return Rate{} }

func (a *Alertmanager) problems() []config.Problem {
	return append(a.Connection.problems(), a.own()...)
}

func (a *Alertmanager) own() []config.Problem {
	var ps []config.Problem
	if len(a.URLs) == 0 || a.URL != "" || a.URLFile != "" {
		ps = CheckURL("url", a.URL, a.URLFile)
	}
	for i, u := range a.URLs {
		if err := checkURL(u); err != nil {
			ps = append(ps, config.Problem{Path: fmt.Sprintf("urls[%d]", i), Text: err.Error()})
		}
	}
	ps = append(ps, loginProblems(a.BearerToken, a.BearerTokenFile, a.Username, a.Password, a.PasswordFile)...)
	for name := range a.Labels {
		if !labelName(name) {
			ps = append(ps, config.Problem{Path: "labels", Text: "\"" + name + "\" is not a label name"})
		}
	}
	return ps
}

func (a *Alertmanager) build(o Options) Receiver {
	return &alertmanager{Alertmanager: *a, caller: newCaller(a.Connection, o), link: o.Link}
}

type alertmanager struct {
	Alertmanager
	*caller
	link func(workload string) string
}

// Send posts to all servers at the same time. One that takes the alerts is
// enough: the servers of a cluster tell each other who is told, and the next
// repetition reaches the others.
func (a *alertmanager) Send(ctx context.Context, m Message) plan.Result {
	urls, err := a.servers()
	if err != nil {
		return unreadable(err)
	}
	header := jsonHeader()
	secrets, err := authorize(header, a.BearerToken, a.BearerTokenFile, a.Username, a.Password, a.PasswordFile)
	if err != nil {
		return unreadable(err)
	}
	result := plan.Result{Outcome: plan.Delivered}
	for alerts := range slices.Chunk(a.alerts(m), alertsAtOnce) {
		results := make([]plan.Result, len(urls))
		var posts sync.WaitGroup
		for i, url := range urls {
			posts.Go(func() {
				results[i] = a.do(ctx, call{
					url:    config.Secret(strings.TrimRight(url.Reveal(), "/") + "/api/v2/alerts"),
					header: header.Clone(), secrets: secrets, body: encodeJSON(alerts), explain: alertmanagerError,
				})
			})
		}
		posts.Wait()
		if result = best(results); result.Outcome != plan.Delivered {
			break
		}
	}
	return result
}

// Repeat is how often the alerts that are open are sent again.
func (a *alertmanager) Repeat() time.Duration { return repeatAlerts }

func (a *alertmanager) servers() ([]config.Secret, error) {
	urls := slices.Clone(a.URLs)
	if len(urls) > 0 && a.URL == "" && a.URLFile == "" {
		return urls, nil
	}
	url, err := endpoint(a.URL, a.URLFile)
	return append(urls, url), err
}

// best is the result of the server that did best. It names the errors of the
// others.
func best(results []plan.Result) plan.Result {
	result := slices.MinFunc(results, func(x, y plan.Result) int { return cmp.Compare(x.Outcome, y.Outcome) })
	if result.Outcome != plan.Delivered {
		return result
	}
	var others []string
	for _, r := range results {
		if r.Outcome != plan.Delivered {
			others = append(others, r.Error)
		}
	}
	if len(others) > 0 {
		result.Error = fmt.Sprintf("%d of %d servers took it; the others: %s", len(results)-len(others), len(results), strings.Join(others, "; "))
	}
	return result
}

type promAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

func (a *alertmanager) alerts(m Message) []promAlert {
	if m.Kind == events.KindTest {
		now := a.now()
		return []promAlert{{
			Labels: a.labels("AuthwatchTest", nil), Annotations: a.annotations(m.Title, m.Text, "info", ""),
			StartsAt: now, EndsAt: now.Add(alertLife),
		}}
	}
	if len(m.Workloads) == 0 {
		return []promAlert{a.own(m)}
	}
	all := make([]promAlert, len(m.Workloads))
	for i, r := range m.Workloads {
		all[i] = a.alert(m, i, r)
	}
	return all
}

// alert is that of one workload, with words of its own.
func (a *alertmanager) alert(m Message, i int, r events.Record) promAlert {
	summary, description := m.Title, line(r)
	if i < len(m.each) {
		summary, description = m.each[i].title, m.each[i].text
	}
	name, severity, runbook := "WorkloadCredential", "critical", "authwatchworkloadunauthenticated"
	switch {
	case r.Status == events.StatusMissing:
		runbook = "authwatchworkloadmissing"
	case isWarning(r):
		name = "WorkloadCredentialExpiring" // an alert of its own beside that of a dead one
		severity, runbook = "warning", "authwatchworkloadexpiring"
	}
	one := promAlert{
		Labels: a.labels(name, r.Labels), Annotations: a.annotations(summary, description, severity, runbook),
		StartsAt: openedAt(r), EndsAt: a.now().Add(alertLife),
	}
	one.Annotations["reason"] = r.Reason
	one.Labels["workload"] = r.Workload
	if a.link != nil {
		one.GeneratorURL = a.link(r.Workload)
	}
	if l := r.LastIncident; r.Incident == "" && l != nil {
		one.EndsAt = l.Closed
		if one.StartsAt.IsZero() || one.StartsAt.After(one.EndsAt) {
			one.StartsAt = one.EndsAt
		}
	}
	return one
}

// own is an alert about the notifier itself.
func (a *alertmanager) own(m Message) promAlert {
	one := promAlert{
		Labels: a.labels("AuthwatchReceiver", nil), Annotations: a.annotations(m.Title, m.Text, "warning", "authwatchreceiverdown"),
		StartsAt: m.Time, EndsAt: a.now(), GeneratorURL: m.Link,
	}
	one.Labels["about"] = m.source()
	if m.Open {
		one.EndsAt = a.now().Add(alertLife)
	}
	return one
}

func (a *alertmanager) annotations(summary, description, severity, runbook string) map[string]string {
	all := map[string]string{"summary": summary, "description": description, "severity": severity}
	if runbook != "" {
		all["runbook_url"] = runbooks + runbook
	}
	maps.Copy(all, a.Annotations)
	return all
}

func (a *alertmanager) labels(name string, of map[string]string) map[string]string {
	labels := map[string]string{}
	for _, set := range []map[string]string{of, a.Labels} {
		for k, v := range set {
			if labelName(k) && v != "" {
				labels[k] = v
			}
		}
	}
	labels["alertname"] = name
	return labels
}

// labelName reports whether s is a name in Prometheus's classic character set.
func labelName(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

func alertmanagerError(body []byte) string {
	var text string
	if json.Unmarshal(body, &text) == nil {
		return text
	}
	return field("message")(body)
}
