package receiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Email sends mail over SMTP. The Message-ID is made of the delivery id, so that
// servers and mail programs recognise a repeated one, and the messages of one
// conversation are a thread.
type Email struct {
	Smarthost    string        `yaml:"smarthost"` // host:port
	From         string        `yaml:"from"`
	To           []string      `yaml:"to"`
	Username     string        `yaml:"username"`
	Password     config.Secret `yaml:"password"`
	PasswordFile string        `yaml:"password_file"`
	// Auth is how to log in: one of the keys of mechanisms. Empty: with those
	// that the server offers, one after the other until one works.
	Auth      string        `yaml:"auth"`
	Token     config.Secret `yaml:"token"` // in place of a password, for xoauth2
	TokenFile string        `yaml:"token_file"`
	// TLS is required (STARTTLS or nothing), opportunistic, implicit (from the
	// first byte, port 465) or none. Required with a username, else
	// opportunistic.
	TLS    string `yaml:"tls"`
	CAFile string `yaml:"ca_file"`
	Hello  string `yaml:"hello"` // the name given to the server; the host's
}

// The values of Email.TLS.
const (
	tlsRequired      = "required"
	tlsOpportunistic = "opportunistic"
	tlsImplicit      = "implicit"
	tlsNone          = "none"
)

func (*Email) rate() Rate { return Rate{config.Duration(time.Second), 5} }

func (e *Email) problems() []config.Problem {
	var ps []config.Problem
	add := func(path, format string, args ...any) {
		ps = append(ps, config.Problem{Path: path, Text: fmt.Sprintf(format, args...)})
	}
	if _, _, err := e.hostPort(); err != nil {
		add("smarthost", "%q is not host:port", e.Smarthost)
	}
	if mail.NewMsg().From(e.From) != nil {
		add("from", "%q is not an address", e.From)
	}
	if len(e.To) == 0 {
		add("to", "names nobody")
	}
	for i, to := range e.To {
		if mail.NewMsg().To(to) != nil {
			add(fmt.Sprintf("to[%d]", i), "%q is not an address", to)
		}
	}
	if !slices.Contains([]string{tlsRequired, tlsOpportunistic, tlsImplicit, tlsNone}, e.policy()) {
		add("tls", "%q is none of required, opportunistic, implicit, none", e.TLS)
	}
	if _, err := outbound.Roots(e.CAFile); err != nil {
		add("ca_file", "%v", err)
	}
	return append(ps, e.loginProblems()...)
}

// byToken reports whether an OAuth 2 access token is the password.
func (e *Email) byToken() bool { return e.Token != "" || e.TokenFile != "" }

func (e *Email) loginProblems() []config.Problem {
	var ps []config.Problem
	keys := make([]string, len(mechanisms))
	for i, m := range mechanisms {
		keys[i] = m.key
	}
	switch oauth := e.Auth == authXOAUTH2; {
	case e.Auth != "" && !slices.Contains(keys, e.Auth):
		ps = append(ps, config.Problem{Path: "auth", Text: fmt.Sprintf("%q is none of %s", e.Auth, strings.Join(keys, ", "))})
	case e.Auth != "" && e.Username == "":
		ps = append(ps, config.Problem{Path: "auth", Text: "needs a username"})
	case e.byToken() && e.Username == "":
		ps = append(ps, config.Problem{Path: "token", Text: "needs a username"})
	case e.byToken() && e.Auth != "" && !oauth:
		ps = append(ps, config.Problem{Path: "token", Text: "is for auth: xoauth2 only; give a password"})
	case oauth || e.byToken():
		return append(ps, pair("token", e.Token, e.TokenFile, true)...)
	}
	return append(ps, pair("password", e.Password, e.PasswordFile, e.Username != "" && !e.byToken())...)
}

func (e *Email) hostPort() (host, port string, err error) {
	host, port, err = net.SplitHostPort(e.Smarthost)
	if err != nil {
		return "", "", err
	}
	n, err := strconv.Atoi(port)
	if err != nil || host == "" || n < 1 || n > 65535 {
		return "", "", errors.New("no port")
	}
	return host, port, nil
}

func (e *Email) policy() string {
	switch {
	case e.TLS != "":
		return e.TLS
	case e.Username != "":
		return tlsRequired
	}
	return tlsOpportunistic
}

func (e *Email) build(Options) Receiver { return &email{*e} }

type email struct{ Email }

func (e *email) Send(ctx context.Context, m Message) plan.Result {
	l, err := e.login()
	if err != nil {
		return unreadable(err)
	}
	msg, err := e.compose(m)
	if err != nil {
		return plan.Result{Outcome: plan.Refused, Error: oneLine(err.Error(), 200)}
	}
	a := mailAnswer(ctx, e.deliver(ctx, msg, l))
	a.Error = said(redactor("", l.password), a.Error)
	return a
}

// login is what the server is shown; with no user, nothing.
func (e *email) login() (login, error) {
	l := login{user: e.Username, plaintext: e.policy() == tlsNone}
	l.host, _, _ = e.hostPort()
	var err error
	if e.byToken() {
		l.password, err = config.ReadSecret(e.Token, e.TokenFile)
	} else {
		l.password, err = config.ReadSecret(e.Password, e.PasswordFile)
	}
	return l, err
}

func (e *email) compose(m Message) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := errors.Join(msg.From(e.From), msg.To(e.To...)); err != nil {
		return nil, err
	}
	domain := e.From[strings.LastIndex(e.From, "@")+1:]
	domain = strings.Trim(domain, "> ")
	first := "<" + m.Thread + "@" + domain + ">"
	msg.Subject(m.Title)
	msg.SetDateWithValue(m.Time)
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	if m.Thread != "" && m.Thread != m.ID {
		msg.SetGenHeader(mail.HeaderInReplyTo, first)
		msg.SetGenHeader(mail.HeaderReferences, first)
	}
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Authwatch-Kind", m.Kind)
	msg.SetBodyString(mail.TypeTextPlain, strings.ReplaceAll(m.Text, "\n", "\r\n")+"\r\n")
	return msg, nil
}
