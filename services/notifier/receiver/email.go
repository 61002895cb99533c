package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
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
	// TLS is required (STARTTLS or nothing), opportunistic, implicit (from the
	// first byte, port 465) or none. Required with a username, else
	// opportunistic.
	TLS    string `yaml:"tls"`
	CAFile string `yaml:"ca_file"`
	Hello  string `yaml:"hello"` // the name given to the server; the host's
}

var tlsPolicies = map[string]mail.TLSPolicy{
	"required": mail.TLSMandatory, "opportunistic": mail.TLSOpportunistic, "none": mail.NoTLS, "implicit": mail.NoTLS,
}

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
	if _, ok := tlsPolicies[e.policy()]; !ok {
		add("tls", "%q is none of required, opportunistic, implicit, none", e.TLS)
	}
	if _, err := outbound.Roots(e.CAFile); err != nil {
		add("ca_file", "%v", err)
	}
	return append(ps, pair("password", e.Password, e.PasswordFile, e.Username != "")...)
}

func (e *Email) hostPort() (string, int, error) {
	host, port, err := net.SplitHostPort(e.Smarthost)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.Atoi(port)
	if err != nil || host == "" || n < 1 || n > 65535 {
		return "", 0, errors.New("no port")
	}
	return host, n, nil
}

func (e *Email) policy() string {
	switch {
	case e.TLS != "":
		return e.TLS
	case e.Username != "":
		return "required"
	}
	return "opportunistic"
}

func (e *Email) build(Options) Receiver { return &email{*e} }

type email struct{ Email }

func (e *email) Send(ctx context.Context, m Message) plan.Result {
	password, err := config.ReadSecret(e.Password, e.PasswordFile)
	if err != nil {
		return unreadable(err)
	}
	msg, err := e.compose(m)
	if err != nil {
		return plan.Result{Outcome: plan.Rejected, Error: oneLine(err.Error(), 200)}
	}
	err = e.deliver(ctx, msg, password)
	if msg.IsDelivered() {
		return plan.Result{Outcome: plan.Delivered} // whatever went wrong after it
	}
	a := mailAnswer(ctx, err)
	a.Error = said(redactor("", password), a.Error)
	return a
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

// deliver hands msg to the server. The end of ctx cuts the connection.
func (e *email) deliver(ctx context.Context, msg *mail.Msg, password config.Secret) error {
	host, port, err := e.hostPort()
	if err != nil {
		return err
	}
	roots, err := outbound.Roots(e.CAFile)
	if err != nil {
		return err
	}
	timeout := time.Minute
	if at, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(at), time.Millisecond)
	}
	secure := outbound.TLS(roots)
	secure.ServerName = host
	options := []mail.Option{
		mail.WithPort(port), mail.WithTimeout(timeout), mail.WithTLSConfig(secure),
		mail.WithTLSPolicy(tlsPolicies[e.policy()]),
		mail.WithDialContextFunc(func(dial context.Context, network, address string) (net.Conn, error) {
			conn, err := e.dial(dial, network, address, secure)
			if err == nil {
				context.AfterFunc(ctx, func() { _ = conn.Close() })
			}
			return conn, err
		}),
	}
	if e.Hello != "" {
		options = append(options, mail.WithHELO(e.Hello))
	}
	if e.Username != "" {
		auth := mail.SMTPAuthAutoDiscover
		if e.policy() == "none" {
			auth = mail.SMTPAuthPlainNoEnc
		}
		options = append(options, mail.WithSMTPAuth(auth), mail.WithUsername(e.Username), mail.WithPassword(password.Reveal()))
	}
	client, err := mail.NewClient(host, options...)
	if err != nil {
		return err
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.CloseWithSMTPClient(session) }()
	return client.SendWithSMTPClient(session, msg)
}

func (e *email) dial(ctx context.Context, network, address string, secure *tls.Config) (net.Conn, error) {
	if e.policy() == "implicit" {
		return (&tls.Dialer{Config: secure}).DialContext(ctx, network, address)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// mailAnswer says what an error of the SMTP conversation means: replies of 400
// ask for another attempt, those of 500 do not (RFC 5321 section 4.2.1).
func mailAnswer(ctx context.Context, err error) plan.Result {
	a := plan.Result{Outcome: plan.Retry, Error: "no reason given"}
	if err == nil {
		return a
	}
	a.Error = reason(ctx, err)
	var send *mail.SendError
	inData := errors.As(err, &send) && (send.Reason == mail.ErrSMTPDataClose || send.Reason == mail.ErrWriteContent)
	a.Status = replyCode(err)
	a.Uncertain = inData && a.Status == 0
	var cert *tls.CertificateVerificationError
	switch {
	case a.Status >= 500 && inData, a.Status == 552:
		a.Outcome = plan.Rejected
	case a.Status >= 500, errors.As(err, &cert):
		a.Outcome = plan.Refused
	}
	return a
}

func replyCode(err error) int {
	var send *mail.SendError
	if errors.As(err, &send) && send.ErrorCode() > 0 {
		return send.ErrorCode()
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return reply.Code
	}
	return 0
}
