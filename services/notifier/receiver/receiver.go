package receiver

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Receiver makes one attempt to send a message. It returns before ctx ends.
type Receiver interface {
	Send(ctx context.Context, m Message) plan.Result
}

// Repeater is a receiver that forgets: what is open is sent to it again and again,
// without receipts.
type Repeater interface {
	Receiver
	Repeat() time.Duration
}

// Config is one entry of notifier.receivers. It names exactly one kind.
type Config struct {
	Name         string          `yaml:"name"`
	Timeout      config.Duration `yaml:"timeout"`       // of one attempt; 10s
	SendResolved *bool           `yaml:"send_resolved"` // true
	Fallback     string          `yaml:"fallback"`      // the receiver that gets the alerts that this one cannot get
	Title        string          `yaml:"title"`         // template; the built-in text without it
	Text         string          `yaml:"text"`
	Rate         Rate            `yaml:"rate"`

	Alertmanager *Alertmanager `yaml:"alertmanager"`
	Command      *Command      `yaml:"command"`
	Discord      *Discord      `yaml:"discord"`
	Email        *Email        `yaml:"email"`
	Log          *Log          `yaml:"log"`
	Ntfy         *Ntfy         `yaml:"ntfy"`
	PagerDuty    *PagerDuty    `yaml:"pagerduty"`
	Slack        *Slack        `yaml:"slack"`
	Teams        *Teams        `yaml:"teams"`
	Webhook      *Webhook      `yaml:"webhook"`
}

// Rate bounds how many messages a receiver gets.
type Rate struct {
	Per   config.Duration `yaml:"per"`   // time for one message
	Burst int             `yaml:"burst"` // messages at once
}

// kind is the configuration of one kind of receiver.
type kind interface {
	// problems is what is wrong with it, by relative path.
	problems() []config.Problem
	// rate is what the provider allows, where the configuration says nothing.
	rate() Rate
	build(o Options) Receiver
}

// kinds holds the kinds of receivers, by their key in the configuration.
var kinds = map[string]func(*Config) kind{
	"alertmanager": func(c *Config) kind { return given(c.Alertmanager) },
	"command":      func(c *Config) kind { return given(c.Command) },
	"discord":      func(c *Config) kind { return given(c.Discord) },
	"email":        func(c *Config) kind { return given(c.Email) },
	"log":          func(c *Config) kind { return given(c.Log) },
	"ntfy":         func(c *Config) kind { return given(c.Ntfy) },
	"pagerduty":    func(c *Config) kind { return given(c.PagerDuty) },
	"slack":        func(c *Config) kind { return given(c.Slack) },
	"teams":        func(c *Config) kind { return given(c.Teams) },
	"webhook":      func(c *Config) kind { return given(c.Webhook) },
}

// given is p as a kind, and nil where p is nil.
func given[T any, P interface {
	*T
	kind
}](p P) kind {
	if p == nil {
		return nil
	}
	return p
}

// Options are what receivers are made with.
type Options struct {
	Log    *slog.Logger
	Source string // of the CloudEvents
	Now    func() time.Time
	Link   func(workload string) string // the page of a workload, or of all where it is empty; nil: unknown
}

// New makes the receiver that c describes; c has been validated.
func New(c Config, o Options) (Receiver, error) {
	_, k, err := c.kind()
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return k.build(o), nil
}

// Kind is the name of c's kind, empty if it has none.
func (c *Config) Kind() string {
	name, _, _ := c.kind()
	return name
}

func (c *Config) kind() (string, kind, error) {
	var name string
	var found kind
	for _, key := range slices.Sorted(maps.Keys(kinds)) {
		k := kinds[key](c)
		switch {
		case k == nil:
		case found != nil:
			return "", nil, fmt.Errorf("is both %s and %s; make two receivers of it", name, key)
		default:
			name, found = key, k
		}
	}
	if found == nil {
		return "", nil, fmt.Errorf("has no kind; add one of %s", strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	}
	return name, found, nil
}

// Limit is the rate that bounds c; not ok if nothing does.
func (c *Config) Limit() (Rate, bool) {
	if c.Rate.Per > 0 {
		return Rate{c.Rate.Per, max(c.Rate.Burst, 1)}, true
	}
	if _, k, err := c.kind(); err == nil && k.rate().Per > 0 {
		return k.rate(), true
	}
	return Rate{}, false
}

// Patience is how long one attempt may take; 0 where nothing says so.
func (c *Config) Patience() time.Duration {
	if c.Command != nil && c.Timeout == 0 {
		return cmp.Or(c.Command.Timeout.Std(), commandTimeout)
	}
	return c.Timeout.Std()
}

// WantsResolved reports whether c gets the end of incidents.
func (c *Config) WantsResolved() bool { return c.SendResolved == nil || *c.SendResolved }

// Forgets reports whether c makes a [Repeater].
func (c *Config) Forgets() bool { return c.Alertmanager != nil }

// Problems is what is wrong with c, by path relative to it.
func (c *Config) Problems() []config.Problem {
	var ps []config.Problem
	if c.Timeout < 0 {
		ps = append(ps, config.Problem{Path: "timeout", Text: "is negative"})
	}
	if c.Rate.Per < 0 || c.Rate.Burst < 0 {
		ps = append(ps, config.Problem{Path: "rate", Text: "is negative"})
	}
	ps = append(ps, c.templateProblems()...)
	name, k, err := c.kind()
	if err != nil {
		return append(ps, config.Problem{Text: err.Error()})
	}
	for _, p := range k.problems() {
		ps = append(ps, config.Problem{Path: join(name, p.Path), Text: p.Text})
	}
	return ps
}

func join(a, b string) string { return strings.TrimSuffix(a+"."+b, ".") }
