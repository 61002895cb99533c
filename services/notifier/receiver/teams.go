package receiver

import (
	"cmp"
	"context"
	"maps"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Teams posts an Adaptive Card to a workflow of Microsoft Teams ("post to a
// channel when a webhook request is received").
type Teams struct {
	URL     config.Secret `yaml:"url"`
	URLFile string        `yaml:"url_file"`
}

// teamsBytes is the limit of a workflow's card: 28 KB.
const teamsBytes = 24 << 10

func (*Teams) rate() Rate { return Rate{config.Duration(time.Second), 4} }

func (t *Teams) problems() []config.Problem { return CheckURL("url", t.URL, t.URLFile) }

func (t *Teams) build(o Options) Receiver { return &teams{Teams: *t, caller: newCaller(o)} }

type teams struct {
	Teams
	*caller
}

func (t *teams) Send(ctx context.Context, m Message) plan.Result {
	url, err := endpoint(t.URL, t.URLFile)
	if err != nil {
		return unreadable(err)
	}
	return t.do(ctx, call{url: url, header: jsonHeader(), body: encodeJSON(map[string]any{
		"type": "message",
		"attachments": []any{map[string]any{
			"contentType": "application/vnd.microsoft.card.adaptive",
			"content":     adaptiveCard(m),
		}},
	})})
}

func adaptiveCard(m Message) map[string]any {
	color := pick(m, "Default", "Attention", "Good")
	block := func(text string, more map[string]any) map[string]any {
		b := map[string]any{"type": "TextBlock", "text": cardEscape(text), "wrap": true}
		maps.Copy(b, more)
		return b
	}
	return map[string]any{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
		"body": []any{
			block(truncate(m.Title, 1024), map[string]any{"size": "Large", "weight": "Bolder", "color": color}),
			block(cut(cmp.Or(m.Text, "-"), teamsBytes/2), nil),
			block("authwatch "+m.Kind+" "+m.ID, map[string]any{"size": "Small", "isSubtle": true}),
		},
	}
}

// cardEscape keeps text from becoming Markdown, which cards render, and keeps
// its line breaks.
func cardEscape(text string) string {
	return strings.NewReplacer(
		`\`, `\\`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "`", "\\`", "#", `\#`, "<", "&lt;", "\n", "\n\n",
	).Replace(text)
}
