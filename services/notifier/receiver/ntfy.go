package receiver

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Ntfy publishes to a topic of an ntfy server. The sequence id is the
// conversation's, so that servers that know it update one notification.
type Ntfy struct {
	Connection `yaml:",inline"`

	URL          config.Secret `yaml:"url"` // of the server
	URLFile      string        `yaml:"url_file"`
	Topic        string        `yaml:"topic"`
	Token        config.Secret `yaml:"token"`
	TokenFile    string        `yaml:"token_file"`
	Username     string        `yaml:"username"`
	Password     config.Secret `yaml:"password"`
	PasswordFile string        `yaml:"password_file"`
}

// ntfy's limits in bytes. A longer message becomes an attachment, and a longer
// body is refused: it may be twice as long as a message.
const (
	ntfyTitle = 250
	ntfyText  = 4096
	ntfyBody  = 2 * ntfyText
)

// rate is what ntfy allows a visitor: 60 at once, then one in five seconds.
func (*Ntfy) rate() Rate { return Rate{config.Duration(5 * time.Second), 30} }

func (n *Ntfy) problems() []config.Problem { return append(n.Connection.problems(), n.own()...) }

func (n *Ntfy) own() []config.Problem {
	ps := CheckURL("url", n.URL, n.URLFile)
	if n.Topic == "" || strings.ContainsAny(n.Topic, "/ ?#") {
		ps = append(ps, config.Problem{Path: "topic", Text: "needs a topic's name"})
	}
	ps = append(ps, pair("token", n.Token, n.TokenFile, false)...)
	return append(ps, pair("password", n.Password, n.PasswordFile, false)...)
}

func (n *Ntfy) build(o Options) Receiver { return &ntfy{Ntfy: *n, caller: newCaller(n.Connection, o)} }

type ntfy struct {
	Ntfy
	*caller
}

func (n *ntfy) Send(ctx context.Context, m Message) plan.Result {
	url, err := endpoint(n.URL, n.URLFile)
	if err != nil {
		return unreadable(err)
	}
	header := jsonHeader()
	secrets, err := authorize(header, n.Token, n.TokenFile, n.Username, n.Password, n.PasswordFile)
	if err != nil {
		return unreadable(err)
	}
	header.Set("X-Sequence-Id", m.Thread)
	return n.do(ctx, call{
		url: url, header: header, secrets: secrets, body: n.message(m), explain: field("error"),
		// ntfy's own answer holds the message's id. Something else that says
		// 200, a login page for example, has not published anything.
		accept: func(body []byte, a *plan.Result) {
			var r struct {
				ID string `json:"id"`
			}
			if json.Unmarshal(body, &r) != nil || r.ID == "" {
				a.Outcome, a.Error = plan.Refused, "the answer is not from an ntfy server; check the URL"
			}
		},
	})
}

// message is shown as it is: without its header X-Markdown, ntfy knows no markup.
func (n *ntfy) message(m Message) []byte {
	return form{
		units: func(s string) int { return len(s) }, title: ntfyTitle, text: ntfyText, body: ntfyBody,
		encode: func(title, text string) []byte {
			body := map[string]any{
				"topic": n.Topic, "title": title, "message": text, "sequence_id": m.Thread,
				"priority": pick(m, 2, 3, 4, 3), "tags": []string{pick(m, "white_circle", "yellow_circle", "red_circle", "green_circle")},
			}
			if m.Link != "" {
				body["click"] = m.Link
			}
			return encodeJSON(body)
		},
	}.fit(m)
}
