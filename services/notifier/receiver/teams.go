package receiver

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Teams posts an Adaptive Card to a workflow of Microsoft Teams ("post to a
// channel when a webhook request is received").
type Teams struct {
	Connection `yaml:",inline"`

	URL     config.Secret `yaml:"url"`
	URLFile string        `yaml:"url_file"`
	Mention []string      `yaml:"mention"` // who is called by an opening or a reminder
}

// A message of Teams has at most 28 KB. What Teams adds to it counts too.
const (
	teamsBytes = 24 << 10
	teamsTitle = 1024
)

func (*Teams) rate() Rate { return Rate{config.Duration(time.Second), 4} }

func (t *Teams) problems() []config.Problem {
	return slices.Concat(t.Connection.problems(), t.mentionProblems(), t.own())
}

func (t *Teams) own() []config.Problem { return CheckURL("url", t.URL, t.URLFile) }

func (t *Teams) build(o Options) Receiver {
	return &teams{Teams: *t, caller: newCaller(t.Connection, o)}
}

type teams struct {
	Teams
	*caller
}

func (t *teams) Send(ctx context.Context, m Message) plan.Result {
	url, err := endpoint(t.URL, t.URLFile)
	if err != nil {
		return unreadable(err)
	}
	return t.do(ctx, call{url: url, header: jsonHeader(), body: t.message(m), accept: teamsAnswer})
}

// teamsErrors are the errors that an Office 365 connector answers with a status of
// 200, in small letters, the most telling first.
var teamsErrors = []struct {
	text    string
	outcome plan.Outcome
}{
	{"http error 429", plan.Retry},
	{"http error 5", plan.Retry},
	{"http error 413", plan.Rejected},
	{"http error 400", plan.Rejected},
	{"too large", plan.Rejected},
	{"summary or text is required", plan.Rejected},
	{"bad payload", plan.Rejected},
	{"failed", plan.Refused},
	{"error", plan.Refused},
}

// teamsAnswer finds the error in an answer. A workflow answers nothing, and a
// connector "1".
func teamsAnswer(body []byte, a *plan.Result) {
	text := strings.TrimSpace(string(body))
	for _, e := range teamsErrors {
		if strings.Contains(strings.ToLower(text), e.text) {
			a.Outcome, a.Error = e.outcome, "Teams answered: "+text
			return
		}
	}
}

func (t *Teams) message(m Message) []byte {
	block := func(text string, more map[string]any) map[string]any {
		b := map[string]any{"type": "TextBlock", "text": text, "wrap": true}
		maps.Copy(b, more)
		return b
	}
	return form{
		escape: cardEscape, title: teamsTitle, body: teamsBytes,
		encode: func(title, text string) []byte {
			body := []any{
				block(title, map[string]any{"size": "Large", "weight": "Bolder", "color": pick(m, "Default", "Warning", "Attention", "Good")}),
				block(text, nil),
			}
			who, entities := t.mentions(m)
			if who != "" {
				body = append(body, block(who, nil))
			}
			card := map[string]any{
				"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
				"body": body,
			}
			if len(entities) > 0 {
				card["msteams"] = map[string]any{"entities": entities}
			}
			if m.Link != "" {
				card["actions"] = []any{map[string]any{"type": "Action.OpenUrl", "title": "Open in authwatch", "url": m.Link}}
			}
			return encodeJSON(map[string]any{
				"type":        "message",
				"attachments": []any{map[string]any{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}},
			})
		},
	}.fit(m)
}

// cardEscape keeps text from becoming Markdown or HTML, which cards render, and
// keeps its line breaks.
func cardEscape(text string) string { return cardEntities.Replace(escapeMarkdown(text, "\\*_~`|[]#!")) }

var cardEntities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\n", "\n\n")
