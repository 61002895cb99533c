package receiver

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Slack posts to a channel, with an incoming webhook or as a bot. As a bot it
// also updates the first message of a conversation, so that the channel shows
// what is wrong now, and says the rest in its thread.
type Slack struct {
	WebhookURL     config.Secret `yaml:"webhook_url"`
	WebhookURLFile string        `yaml:"webhook_url_file"`
	BotToken       config.Secret `yaml:"bot_token"`
	BotTokenFile   string        `yaml:"bot_token_file"`
	Channel        string        `yaml:"channel"` // for the bot: an id or #name
	APIURL         string        `yaml:"api_url"` // https://slack.com/api
}

const slackAPI = "https://slack.com/api"

// Slack's limits: a section block's text, and a header's.
const (
	slackText   = 3000
	slackHeader = 150
)

// rate: Slack allows one message a second and channel, with short bursts.
func (*Slack) rate() Rate { return Rate{config.Duration(time.Second), 3} }

func (s *Slack) bot() bool { return s.BotToken != "" || s.BotTokenFile != "" }

func (s *Slack) problems() []config.Problem {
	hook := s.WebhookURL != "" || s.WebhookURLFile != ""
	switch {
	case hook && s.bot():
		return []config.Problem{{Text: "has a webhook and a bot token; keep one"}}
	case !hook && !s.bot():
		return []config.Problem{{Text: "needs webhook_url_file, or bot_token_file and channel"}}
	case hook:
		return CheckURL("webhook_url", s.WebhookURL, s.WebhookURLFile)
	}
	ps := pair("bot_token", s.BotToken, s.BotTokenFile, true)
	if s.Channel == "" {
		ps = append(ps, config.Problem{Path: "channel", Text: "is needed with a bot token"})
	}
	if s.APIURL != "" && checkURL(config.Secret(s.APIURL)) != nil {
		ps = append(ps, config.Problem{Path: "api_url", Text: "is not a URL"})
	}
	return ps
}

func (s *Slack) build(o Options) Receiver { return &slack{Slack: *s, caller: newCaller(o)} }

type slack struct {
	Slack
	*caller
}

func (s *slack) Send(ctx context.Context, m Message) plan.Result {
	if s.bot() {
		return s.asBot(ctx, m)
	}
	url, err := endpoint(s.WebhookURL, s.WebhookURLFile)
	if err != nil {
		return unreadable(err)
	}
	return s.do(ctx, call{
		url: url, header: jsonHeader(), body: encodeJSON(slackMessage(m)),
		// An incoming webhook says "ok", or an error as text.
		accept: func(body []byte, a *plan.Result) {
			if text := strings.TrimSpace(string(body)); text != "ok" {
				a.Outcome, a.Error = plan.Rejected, "Slack answered: "+text
			}
		},
	})
}

// asBot posts a message, or updates the conversation's first and answers it.
func (s *slack) asBot(ctx context.Context, m Message) plan.Result {
	token, err := config.ReadSecret(s.BotToken, s.BotTokenFile)
	if err != nil {
		return unreadable(err)
	}
	body := slackMessage(m)
	body["channel"] = s.Channel
	channel, ts, known := strings.Cut(m.Ref, " ")
	if known {
		if m.Kind != events.KindReminder {
			update := slackMessage(m)
			update["channel"], update["ts"] = channel, ts
			// A message that was deleted cannot be updated; say it anew then.
			if a := s.api(ctx, "chat.update", token, update); a.Outcome == plan.Retry || a.Outcome == plan.Refused {
				return a
			}
		}
		body["channel"], body["thread_ts"] = channel, ts
	}
	a := s.api(ctx, "chat.postMessage", token, body)
	if known {
		a.Ref = m.Ref // the thread keeps its first message
	}
	return a
}

func (s *slack) api(ctx context.Context, method string, token config.Secret, body map[string]any) plan.Result {
	header := jsonHeader()
	header.Set("Authorization", "Bearer "+token.Reveal())
	return s.do(ctx, call{
		url: config.Secret(cmp.Or(s.APIURL, slackAPI) + "/" + method), header: header, body: encodeJSON(body),
		secrets: []config.Secret{token}, accept: slackAnswer,
	})
}

// slackAnswer reads the body of the Web API: 200 is not enough.
func slackAnswer(body []byte, a *plan.Result) {
	var r struct {
		OK      bool   `json:"ok"`
		Error   string `json:"error"`
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		a.Outcome, a.Uncertain, a.Error = plan.Retry, true, "Slack's answer is not JSON"
		return
	}
	if r.OK {
		a.Ref = strings.TrimSpace(r.Channel + " " + r.TS)
		return
	}
	a.Outcome, a.Error = slackOutcome(r.Error), "Slack answered: "+r.Error
}

func slackOutcome(code string) plan.Outcome {
	switch code {
	case "ratelimited", "rate_limited", "internal_error", "fatal_error", "request_timeout", "service_unavailable":
		return plan.Retry
	case "msg_too_long", "invalid_blocks", "no_text", "message_not_found", "cant_update_message", "edit_window_closed":
		return plan.Rejected
	}
	return plan.Refused // invalid_auth, channel_not_found, not_in_channel, is_archived …
}

func slackMessage(m Message) map[string]any {
	icon := pick(m, ":white_circle:", ":red_circle:", ":large_green_circle:")
	title := slackEscape(m.Title)
	return map[string]any{
		"text": icon + " " + truncate(title, slackText),
		"blocks": []any{
			map[string]any{"type": "section", "text": map[string]any{
				"type": "mrkdwn", "text": icon + " *" + truncate(title, slackHeader) + "*",
			}},
			map[string]any{"type": "section", "text": map[string]any{
				"type": "mrkdwn", "text": truncate(slackEscape(cmp.Or(m.Text, "-")), slackText),
			}},
			map[string]any{"type": "context", "elements": []any{map[string]any{
				"type": "plain_text", "text": "authwatch " + m.Kind + " " + m.ID,
			}}},
		},
		"unfurl_links": false, "unfurl_media": false,
	}
}

// slackEscape is what Slack asks for: text must not become a link or a mention.
func slackEscape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
