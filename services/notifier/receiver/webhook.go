package receiver

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Webhook posts a CloudEvent to a URL of the user's own. Its id is the delivery
// id: a receiver that remembers ids handles each message once.
type Webhook struct {
	Connection `yaml:",inline"`

	URL               config.Secret `yaml:"url"`
	URLFile           string        `yaml:"url_file"`
	SigningSecret     config.Secret `yaml:"signing_secret"` // several, separated by spaces, while one is replaced
	SigningSecretFile string        `yaml:"signing_secret_file"`
	BearerToken       config.Secret `yaml:"bearer_token"`
	BearerTokenFile   string        `yaml:"bearer_token_file"`
	Username          string        `yaml:"username"`
	Password          config.Secret `yaml:"password"`
	PasswordFile      string        `yaml:"password_file"`
	Format            string        `yaml:"format"` // structured or binary
}

const formatBinary = "binary"

func (*Webhook) rate() Rate { return Rate{} }

func (w *Webhook) problems() []config.Problem { return append(w.Connection.problems(), w.own()...) }

func (w *Webhook) own() []config.Problem {
	ps := CheckURL("url", w.URL, w.URLFile)
	ps = append(ps, loginProblems(w.BearerToken, w.BearerTokenFile, w.Username, w.Password, w.PasswordFile)...)
	signing := pair("signing_secret", w.SigningSecret, w.SigningSecretFile, false)
	if len(signing) == 0 {
		if s, err := config.ReadSecret(w.SigningSecret, w.SigningSecretFile); err != nil {
			signing = []config.Problem{{Path: "signing_secret_file", Text: err.Error()}}
		} else if _, err := keys(s); err != nil {
			signing = []config.Problem{{Path: "signing_secret", Text: err.Error()}}
		}
	}
	ps = append(ps, signing...)
	if w.Format != "" && w.Format != "structured" && w.Format != formatBinary {
		ps = append(ps, config.Problem{Path: "format", Text: `is neither "structured" nor "binary"`})
	}
	return ps
}

func (w *Webhook) build(o Options) Receiver {
	return &webhook{Webhook: *w, caller: newCaller(w.Connection, o), source: o.Source}
}

type webhook struct {
	Webhook
	*caller
	source string
}

func (w *webhook) Send(ctx context.Context, m Message) plan.Result {
	c, err := w.request(m)
	if err != nil {
		return unreadable(err)
	}
	return w.do(ctx, c)
}

func (w *webhook) request(m Message) (call, error) {
	url, err := endpoint(w.URL, w.URLFile)
	if err != nil {
		return call{}, err
	}
	secret, err := config.ReadSecret(w.SigningSecret, w.SigningSecretFile)
	if err != nil {
		return call{}, err
	}
	signing, err := keys(secret)
	if err != nil {
		return call{}, err
	}
	e, err := alertEvent(w.source, m)
	if err != nil {
		return call{}, err
	}
	header, body, err := encode(e, w.Format)
	if err != nil {
		return call{}, err
	}
	secrets, err := authorize(header, w.BearerToken, w.BearerTokenFile, w.Username, w.Password, w.PasswordFile)
	if err != nil {
		return call{}, err
	}
	now := w.now()
	header.Set("Webhook-Id", m.ID)
	header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	if len(signing) > 0 {
		header.Set("Webhook-Signature", sign(signing, m.ID, now, body))
	}
	if t := events.TraceParent(e); t != "" {
		header.Set("Traceparent", cmp.Or(m.Hop, t))
		if w.Format == formatBinary {
			header.Set("Ce-Traceparent", t)
		}
	}
	return call{url: url, header: header, body: body, secrets: append(secrets, secret)}, nil
}

// alertEvent is m as a CloudEvent. Everything in it but the text is the same on
// every attempt.
func alertEvent(source string, m Message) (event.Event, error) {
	e, err := events.New("alert."+m.Kind, source, m.Subject(), m.Time, events.Alert{
		Kind: m.Kind, Receiver: m.Receiver, Title: m.Title, Text: m.Text, Workloads: m.Workloads,
	})
	if err != nil {
		return event.Event{}, err
	}
	e.SetID(m.ID)
	events.SetTraceParent(&e, m.Trace)
	return e, nil
}

// encode writes e in one of the two content modes of the CloudEvents HTTP
// binding.
func encode(e event.Event, format string) (http.Header, []byte, error) {
	header := http.Header{}
	if format != formatBinary {
		header.Set("Content-Type", "application/cloudevents+json")
		body, err := json.Marshal(e)
		return header, body, err
	}
	header.Set("Content-Type", e.DataContentType())
	attributes := map[string]string{
		"Ce-Specversion": e.SpecVersion(), "Ce-Id": e.ID(), "Ce-Type": e.Type(), "Ce-Source": e.Source(),
		"Ce-Subject": e.Subject(), "Ce-Dataschema": e.DataSchema(), "Ce-Time": e.Time().UTC().Format(timeFormat),
	}
	for name, value := range attributes {
		if value != "" {
			header.Set(name, escape(value))
		}
	}
	return header, e.Data(), nil
}

const timeFormat = "2006-01-02T15:04:05.999999999Z07:00"

// escape is the percent-encoding of attribute values in headers, CloudEvents
// HTTP binding 1.0.2 section 3.1.3.2.
func escape(value string) string {
	var b strings.Builder
	for i := range len(value) {
		switch c := value[i]; {
		case c <= 0x20, c >= 0x7f, c == '"', c == '%':
			const digits = "0123456789ABCDEF"
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// keys decodes the signing secrets of a webhook, one or several separated by
// white space: during a rotation the receiver accepts the signature of either.
// Their form is that of the Standard Webhooks specification: base64 of 24 to 64
// bytes, with or without the prefix "whsec_".
func keys(secrets config.Secret) ([][]byte, error) {
	var all [][]byte
	for s := range strings.FieldsSeq(secrets.Reveal()) {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
		if err != nil {
			return nil, errors.New(`is not base64; make one with "openssl rand -base64 32"`)
		}
		if len(key) < 24 || len(key) > 64 {
			return nil, fmt.Errorf(`has %d bytes, not 24 to 64; make one with "openssl rand -base64 32"`, len(key))
		}
		all = append(all, key)
	}
	return all, nil
}

// sign is the webhook-signature header of Standard Webhooks 1.0.
func sign(keys [][]byte, id string, at time.Time, body []byte) string {
	signatures := make([]string, len(keys))
	for i, key := range keys {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		h.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	return strings.Join(signatures, " ")
}
