package receiver

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Discord posts with a webhook of a channel. The end of a conversation edits its
// first message, and is said as a message of its own too, as edits alert nobody.
type Discord struct {
	Connection `yaml:",inline"`

	WebhookURL     config.Secret `yaml:"webhook_url"`
	WebhookURLFile string        `yaml:"webhook_url_file"`
	Mention        []string      `yaml:"mention"` // who is called by an opening or a reminder
}

// Discord's limits for an embed.
const (
	discordTitle = 256
	discordText  = 4096
)

// rate: Discord allows five messages in two seconds.
func (*Discord) rate() Rate { return Rate{config.Duration(time.Second), 3} }

func (d *Discord) problems() []config.Problem {
	return slices.Concat(d.Connection.problems(), d.mentionProblems(), d.own())
}

func (d *Discord) own() []config.Problem {
	return CheckURL("webhook_url", d.WebhookURL, d.WebhookURLFile)
}

func (d *Discord) build(o Options) Receiver {
	return &discord{Discord: *d, caller: newCaller(d.Connection, o)}
}

type discord struct {
	Discord
	*caller
}

func (d *discord) Send(ctx context.Context, m Message) plan.Result {
	hook, err := endpoint(d.WebhookURL, d.WebhookURLFile)
	if err != nil {
		return unreadable(err)
	}
	u, err := url.Parse(hook.Reveal())
	if err != nil {
		return unreadable(err)
	}
	// Without a version Discord serves an old one, which asks to wait in
	// milliseconds.
	u.Path = strings.Replace(u.Path, "/api/webhooks/", "/api/v10/webhooks/", 1)
	body := d.message(m)
	if m.Ref != "" && m.Kind != events.KindReminder {
		edit := *u
		edit.Path = strings.TrimRight(edit.Path, "/") + "/messages/" + url.PathEscape(m.Ref)
		a := d.do(ctx, call{
			method: http.MethodPatch, url: config.Secret(edit.String()), header: jsonHeader(), body: body, explain: field("message"), wait: discordWait,
		})
		// 404: somebody deleted it.
		if a.Outcome == plan.Retry || a.Outcome == plan.Refused && a.Status != http.StatusNotFound {
			return a
		}
	}
	q := u.Query()
	q.Set("wait", "true") // else there is no id, and no error either
	u.RawQuery = q.Encode()
	a := d.do(ctx, call{
		url: config.Secret(u.String()), header: jsonHeader(), body: body, accept: discordAnswer, explain: field("message"), wait: discordWait,
	})
	a.Ref = cmp.Or(m.Ref, a.Ref)
	return a
}

func discordAnswer(body []byte, a *plan.Result) {
	var r struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &r) == nil {
		a.Ref = r.ID
	}
}

// discordWait is the wait that a 429 asks for, in seconds with a fraction.
func discordWait(body []byte) time.Duration {
	var r struct {
		RetryAfter float64 `json:"retry_after"`
	}
	if json.Unmarshal(body, &r) != nil || r.RetryAfter <= 0 {
		return 0
	}
	return time.Duration(min(r.RetryAfter, plan.RetryAfterMost.Seconds()) * float64(time.Second))
}

func (d *Discord) message(m Message) []byte {
	const red, amber, green, grey = 0xd32f2f, 0xffa000, 0x388e3c, 0x9e9e9e
	return form{
		escape: discordEscape, title: discordTitle, text: discordText,
		encode: func(title, text string) []byte {
			embed := map[string]any{
				"title": title, "description": text, "color": pick(m, grey, amber, red, green),
				"timestamp": m.Time.UTC().Format(time.RFC3339),
			}
			if m.Link != "" {
				embed["url"] = m.Link
			}
			content, allowed := d.mentions(m)
			body := map[string]any{"embeds": []any{embed}, "allowed_mentions": allowed}
			if content != "" {
				body["content"] = content
			}
			return encodeJSON(body)
		},
	}.fit(m)
}

// discordEscape keeps text from becoming Discord's Markdown. A colon makes emoji,
// links and times.
func discordEscape(text string) string { return escapeMarkdown(text, "\\*_~`|<>[]#@:") }
