package receiver

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// PagerDuty sends to the Events API v2. The dedup_key is the conversation's id:
// every attempt, reminder and the end of it meet the same PagerDuty incident.
type PagerDuty struct {
	Connection `yaml:",inline"`

	RoutingKey     config.Secret `yaml:"routing_key"`
	RoutingKeyFile string        `yaml:"routing_key_file"`
	Severity       string        `yaml:"severity"` // critical, error, warning, info; critical
	URL            string        `yaml:"url"`      // https://events.pagerduty.com/v2/enqueue
}

const (
	pagerDutyURL     = "https://events.pagerduty.com/v2/enqueue"
	pagerDutySummary = 1024
	pagerDutyBody    = 500 << 10 // of the 512 KB that an event may have
)

func (*PagerDuty) rate() Rate { return Rate{config.Duration(time.Second), 20} }

func (p *PagerDuty) problems() []config.Problem { return append(p.Connection.problems(), p.own()...) }

func (p *PagerDuty) own() []config.Problem {
	ps := pair("routing_key", p.RoutingKey, p.RoutingKeyFile, true)
	if !slices.Contains([]string{"", "critical", "error", "warning", "info"}, p.Severity) {
		ps = append(ps, config.Problem{Path: "severity", Text: "is none of critical, error, warning, info"})
	}
	if p.URL != "" && checkURL(config.Secret(p.URL)) != nil {
		ps = append(ps, config.Problem{Path: "url", Text: "is not a URL"})
	}
	return ps
}

func (p *PagerDuty) build(o Options) Receiver {
	return &pagerDuty{PagerDuty: *p, caller: newCaller(p.Connection, o)}
}

type pagerDuty struct {
	PagerDuty
	*caller
}

// Send triggers, or resolves. What came and went unseen is triggered as
// information and resolved at once, so that it is on record.
func (p *pagerDuty) Send(ctx context.Context, m Message) plan.Result {
	key, err := config.ReadSecret(p.RoutingKey, p.RoutingKeyFile)
	if err != nil {
		return unreadable(err)
	}
	switch {
	case m.Open || m.Kind == events.KindResolved && m.Left > 0:
		return p.event(ctx, key, "trigger", m)
	case m.Kind == events.KindResolved:
		return p.event(ctx, key, "resolve", m)
	}
	if a := p.event(ctx, key, "trigger", m); a.Outcome != plan.Delivered {
		return a
	}
	return p.event(ctx, key, "resolve", m)
}

func (p *pagerDuty) event(ctx context.Context, key config.Secret, action string, m Message) plan.Result {
	return p.do(ctx, call{
		url: config.Secret(cmp.Or(p.URL, pagerDutyURL)), header: jsonHeader(), secrets: []config.Secret{key},
		body: p.message(key, action, m), explain: pagerDutyError,
	})
}

// message leaves the records out where they would not fit.
func (p *pagerDuty) message(key config.Secret, action string, m Message) []byte {
	records := json.RawMessage(encodeJSON(m.Workloads))
	if len(records) > pagerDutyBody/2 {
		records = nil
	}
	return form{
		title: pagerDutySummary, body: pagerDutyBody,
		encode: func(title, text string) []byte {
			body := map[string]any{"routing_key": key.Reveal(), "event_action": action, "dedup_key": "authwatch-" + m.Thread}
			if action == "trigger" {
				body["payload"] = p.payload(m, title, text, records)
				if m.Link != "" {
					body["links"] = []any{map[string]any{"href": m.Link, "text": "Open in authwatch"}}
					body["client"], body["client_url"] = "authwatch", m.Link
				}
			}
			return encodeJSON(body)
		},
	}.fit(m)
}

func (p *pagerDuty) payload(m Message, title, text string, records json.RawMessage) map[string]any {
	severity := cmp.Or(p.Severity, "critical")
	if m.Kind == events.KindExpiring {
		severity = "warning"
	}
	if !m.Open && m.Kind != events.KindResolved {
		severity = "info"
	}
	details := map[string]any{"text": text, "kind": m.Kind, "delivery_id": m.ID}
	if len(records) > 0 {
		details["workloads"] = records
	}
	return map[string]any{
		"summary": title, "source": m.source(), "severity": severity,
		"timestamp": m.began().UTC().Format(time.RFC3339), "component": "credential", "class": m.Kind,
		"custom_details": details,
	}
}

func pagerDutyError(body []byte) string {
	var r struct {
		Message string   `json:"message"`
		Errors  []string `json:"errors"`
	}
	if json.Unmarshal(body, &r) != nil {
		return ""
	}
	return strings.Join(append([]string{r.Message}, r.Errors...), "; ")
}
