package receiver

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Alertmanager posts to the API v2 of a Prometheus Alertmanager, one alert a
// workload. Its labels name the workload and nothing that changes within an
// incident, so Alertmanager sees one alert begin and end.
type Alertmanager struct {
	URL             config.Secret     `yaml:"url"` // of the server, without /api/v2
	URLFile         string            `yaml:"url_file"`
	BearerToken     config.Secret     `yaml:"bearer_token"`
	BearerTokenFile string            `yaml:"bearer_token_file"`
	Username        string            `yaml:"username"`
	Password        config.Secret     `yaml:"password"`
	PasswordFile    string            `yaml:"password_file"`
	Labels          map[string]string `yaml:"labels"` // added to every alert
}

// alertLife is how long Alertmanager keeps an open alert without hearing of it:
// longer than any reminder is away.
const alertLife = 365 * 24 * time.Hour

func (*Alertmanager) rate() Rate { return Rate{} }

func (a *Alertmanager) problems() []config.Problem {
	ps := CheckURL("url", a.URL, a.URLFile)
	ps = append(ps, pair("bearer_token", a.BearerToken, a.BearerTokenFile, false)...)
	ps = append(ps, pair("password", a.Password, a.PasswordFile, false)...)
	for name := range a.Labels {
		if !labelName(name) {
			ps = append(ps, config.Problem{Path: "labels", Text: "\"" + name + "\" is not a label name"})
		}
	}
	return ps
}

func (a *Alertmanager) build(o Options) Receiver {
	return &alertmanager{Alertmanager: *a, caller: newCaller(o)}
}

type alertmanager struct {
	Alertmanager
	*caller
}

func (a *alertmanager) Send(ctx context.Context, m Message) plan.Result {
	url, err := endpoint(a.URL, a.URLFile)
	if err != nil {
		return unreadable(err)
	}
	header := jsonHeader()
	secrets, err := authorize(header, a.BearerToken, a.BearerTokenFile, a.Username, a.Password, a.PasswordFile)
	if err != nil {
		return unreadable(err)
	}
	return a.do(ctx, call{
		url:    config.Secret(strings.TrimRight(url.Reveal(), "/") + "/api/v2/alerts"),
		header: header, secrets: secrets, body: encodeJSON(a.alerts(m)), explain: alertmanagerError,
	})
}

type promAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

func (a *alertmanager) alerts(m Message) []promAlert {
	if m.Kind == events.KindTest {
		now := a.now()
		return []promAlert{{
			Labels:      a.labels("AuthwatchTest", nil),
			Annotations: map[string]string{"summary": m.Title, "description": m.Text},
			StartsAt:    now, EndsAt: now.Add(5 * time.Minute),
		}}
	}
	if len(m.Workloads) == 0 {
		return []promAlert{a.own(m)}
	}
	all := make([]promAlert, len(m.Workloads))
	for i, r := range m.Workloads {
		one := promAlert{
			Labels: a.labels("WorkloadCredential", r.Labels),
			Annotations: map[string]string{
				"summary": truncate(m.Title, 1024), "description": line(r), "reason": r.Reason, "delivery_id": m.ID,
			},
			StartsAt: openedAt(r), EndsAt: a.now().Add(alertLife),
		}
		one.Labels["workload"] = r.Workload
		if l := r.LastIncident; r.Incident == "" && l != nil {
			one.EndsAt = l.Closed
			if one.StartsAt.IsZero() || one.StartsAt.After(one.EndsAt) {
				one.StartsAt = one.EndsAt
			}
		}
		all[i] = one
	}
	return all
}

// own is an alert about the notifier itself.
func (a *alertmanager) own(m Message) promAlert {
	one := promAlert{
		Labels:      a.labels("AuthwatchReceiver", nil),
		Annotations: map[string]string{"summary": m.Title, "description": m.Text, "delivery_id": m.ID},
		StartsAt:    m.Time, EndsAt: a.now(),
	}
	one.Labels["about"] = m.source()
	if m.Open {
		one.EndsAt = a.now().Add(alertLife)
	}
	return one
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
