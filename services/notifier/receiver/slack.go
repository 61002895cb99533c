package receiver

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
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
	Connection `yaml:",inline"`

	WebhookURL     config.Secret `yaml:"webhook_url"`
	WebhookURLFile string        `yaml:"webhook_url_file"`
	BotToken       config.Secret `yaml:"bot_token"`
	BotTokenFile   string        `yaml:"bot_token_file"`
	Channel        string        `yaml:"channel"` // for the bot: an id or #name
	APIURL         string        `yaml:"api_url"` // https://slack.com/api
	Mention        []string      `yaml:"mention"` // who is called by an opening or a reminder
}

const slackAPI = "https://slack.com/api"

// Slack's limit of a section's text is 3,000 characters. A title that long says
// nothing at a glance.
const (
	slackText  = 3000
	slackTitle = 300
)

// rate: Slack allows one message a second and channel, with short bursts.
func (*Slack) rate() Rate { return Rate{config.Duration(time.Second), 3} }

func (s *Slack) bot() bool { return s.BotToken != "" || s.BotTokenFile != "" }

func (s *Slack) problems() []config.Problem {
	return slices.Concat(s.Connection.problems(), s.mentionProblems(), s.own())
}

func (s *Slack) own() []config.Problem {
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

func (s *Slack) build(o Options) Receiver {
	return &slack{Slack: *s, caller: newCaller(s.Connection, o)}
}

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
		url: url, header: jsonHeader(), body: s.message(m, nil), accept: slackHookAnswer,
	})
}

// slackHookAnswer reads the answer of an incoming webhook. Slack says "ok"; servers
// that take the place of Slack say something of their own or nothing. So only a
// known error is one.
func slackHookAnswer(body []byte, a *plan.Result) {
	code := strings.TrimSpace(string(body))
	var r struct {
		OK    *bool  `json:"ok"`
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &r) == nil && r.OK != nil && !*r.OK {
		code = cmp.Or(r.Error, "not ok")
		a.Outcome, a.Error = slackOutcome(code), "Slack answered: "+code
		return
	}
	if outcome, ok := slackHookErrors[code]; ok {
		a.Outcome, a.Error = outcome, "Slack answered: "+code
	}
}

// slackHookErrors are the errors that Slack documents for incoming webhooks. It
// sends them with a status of their own; something between may lose it.
var slackHookErrors = map[string]plan.Outcome{
	"invalid_payload": plan.Rejected, "invalid_blocks": plan.Rejected, "invalid_blocks_format": plan.Rejected,
	"invalid_attachments": plan.Rejected, "no_text": plan.Rejected, "missing_text_or_fallback_or_attachments": plan.Rejected,
	"too_many_attachments": plan.Rejected, "msg_too_long": plan.Rejected,
	"user_not_found": plan.Refused, "channel_not_found": plan.Refused, "channel_is_archived": plan.Refused,
	"action_prohibited": plan.Refused, "posting_to_general_channel_denied": plan.Refused, "no_active_hooks": plan.Refused,
	"no_service": plan.Refused, "no_service_id": plan.Refused, "no_team": plan.Refused, "team_disabled": plan.Refused,
	"invalid_token": plan.Refused, "rollup_error": plan.Retry, "rate_limited": plan.Retry,
}

// asBot posts a message, or updates the conversation's first and answers it.
func (s *slack) asBot(ctx context.Context, m Message) plan.Result {
	token, err := config.ReadSecret(s.BotToken, s.BotTokenFile)
	if err != nil {
		return unreadable(err)
	}
	channel, ts, known := strings.Cut(m.Ref, " ")
	more := map[string]any{"channel": s.Channel}
	if known {
		if m.Kind != events.KindReminder {
			update := s.message(m, map[string]any{"channel": channel, "ts": ts})
			// A message that was deleted cannot be updated; say it anew then.
			if a := s.api(ctx, "chat.update", token, update); a.Outcome == plan.Retry || a.Outcome == plan.Refused {
				return a
			}
		}
		more = map[string]any{"channel": channel, "thread_ts": ts}
	}
	a := s.api(ctx, "chat.postMessage", token, s.message(m, more))
	if known {
		a.Ref = m.Ref // the thread keeps its first message
	}
	return a
}

func (s *slack) api(ctx context.Context, method string, token config.Secret, body []byte) plan.Result {
	header := jsonHeader()
	header.Set("Authorization", "Bearer "+token.Reveal())
	return s.do(ctx, call{
		url: config.Secret(cmp.Or(s.APIURL, slackAPI) + "/" + method), header: header, body: body,
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

// message is the message to post, or to put in the place of an earlier one.
// Slack shows text where it shows no blocks: in notifications, and read aloud.
func (s *Slack) message(m Message, more map[string]any) []byte {
	icon := pick(m, ":white_circle:", ":large_yellow_circle:", ":red_circle:", ":large_green_circle:")
	return form{
		escape: slackEscape, title: slackTitle, text: slackText,
		encode: func(title, text string) []byte {
			blocks := []any{slackSection(icon + " *" + title + "*"), slackSection(text)}
			words := icon + " " + title + "\n" + text
			if who := s.mentions(m); who != "" {
				blocks = append([]any{slackSection(who)}, blocks...)
				words = who + " " + words
			}
			if m.Link != "" {
				blocks = append(blocks, slackSection("<"+slackEscape(m.Link)+"|Open in authwatch>"))
			}
			body := map[string]any{
				"text": words, "blocks": blocks, "unfurl_links": false, "unfurl_media": false,
			}
			maps.Copy(body, more)
			return encodeJSON(body)
		},
	}.fit(m)
}

// slackSection is text that Slack takes no links and mentions from but those that
// are marked as such.
func slackSection(text string) map[string]any {
	return map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": text, "verbatim": true}}
}

// slackEscape is what Slack asks for: text must not become a link or a mention.
func slackEscape(text string) string { return slackEscaper.Replace(text) }

var slackEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
