package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// permanent is an error of this side that no further attempt heals.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// dataError is an error after the server asked for the text: it may have taken it.
type dataError struct{ error }

func (d dataError) Unwrap() error { return d.error }

// partly says which recipients the server refused, while the others got the mail.
type partly struct{ refused error }

func (p partly) Error() string { return "sent, but not to all: " + p.refused.Error() }

// deliver hands msg to the server. It returns nil or [partly] where the server
// took it. The end of ctx cuts the connection.
func (e *email) deliver(ctx context.Context, msg *mail.Msg, l login) error {
	from, err := msg.GetSender(false)
	if err != nil {
		return permanent{err}
	}
	to, err := msg.GetRecipients()
	if err != nil {
		return permanent{err}
	}
	client, err := e.open(ctx, l)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if err := client.Mail(from); err != nil {
		return err
	}
	refused, err := recipients(client, to)
	if err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := msg.WriteTo(w); err != nil {
		return dataError{err}
	}
	if err := w.Close(); err != nil {
		return dataError{err}
	}
	_ = client.Quit() // it has the mail, whatever it says now
	if refused != nil {
		return partly{refused}
	}
	return nil
}

// recipients names them to the server. Those that it refuses are returned; where
// it refuses all, or does not answer, that is the error.
func recipients(client *smtp.Client, to []string) (refused, err error) {
	accepted := 0
	var all, later []error
	for _, address := range to {
		err := client.Rcpt(address)
		if err == nil {
			accepted++
			continue
		}
		err = fmt.Errorf("%s: %w", strings.Trim(address, "<>"), err)
		switch code := replyCode(err); {
		case code == 0:
			return nil, err
		case code < 500:
			later = append(later, err)
		}
		all = append(all, err)
	}
	switch {
	case accepted > 0:
		return errors.Join(all...), nil
	case len(later) > 0: // one that may be accepted later is worth another attempt
		return nil, errors.Join(later...)
	}
	return nil, errors.Join(all...)
}

// open connects and logs in. Where one mechanism fails, the next one is tried on
// a connection of its own, as servers may close the first.
func (e *email) open(ctx context.Context, l login) (*smtp.Client, error) {
	client, err := e.connect(ctx)
	if err != nil || l.user == "" {
		return client, err
	}
	_, secure := client.TLSConnectionState()
	_, offer := client.Extension("AUTH")
	usable, err := choose(e.Auth, offer, secure || l.plaintext, e.byToken())
	if err != nil {
		_ = client.Close()
		return nil, permanent{err}
	}
	var failed []error
	for i, m := range usable {
		if i > 0 {
			if client, err = e.connect(ctx); err != nil {
				return nil, err
			}
		}
		err := client.Auth(m.auth(l))
		if err == nil {
			return client, nil
		}
		_ = client.Close()
		if code := replyCode(err); code > 0 && code < 500 || broken(err) {
			return nil, err
		}
		failed = append(failed, fmt.Errorf("log in with %s: %w", m.name, err))
	}
	return nil, permanent{errors.Join(failed...)}
}

// connect greets the server, over TLS as the policy says.
func (e *email) connect(ctx context.Context) (*smtp.Client, error) {
	host, port, err := e.hostPort()
	if err != nil {
		return nil, permanent{err}
	}
	roots, err := outbound.Roots(e.CAFile)
	if err != nil {
		return nil, permanent{err}
	}
	secure := outbound.TLS(roots)
	secure.ServerName = host
	conn, err := e.dial(ctx, net.JoinHostPort(host, port), secure)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	if at, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(at)
	}
	client, err := smtp.NewClient(conn, host) // closes conn where it fails
	if err != nil {
		return nil, err
	}
	if err := e.greet(client, secure); err != nil {
		_ = client.Close()
		return nil, err
	}
	return client, nil
}

func (e *email) dial(ctx context.Context, address string, secure *tls.Config) (net.Conn, error) {
	if e.policy() == tlsImplicit {
		return (&tls.Dialer{Config: secure}).DialContext(ctx, "tcp", address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

func (e *email) greet(client *smtp.Client, secure *tls.Config) error {
	name := e.Hello
	if name == "" {
		name, _ = os.Hostname()
	}
	if name == "" {
		name = "localhost"
	}
	if err := client.Hello(name); err != nil {
		return err
	}
	offered, _ := client.Extension("STARTTLS")
	switch policy := e.policy(); {
	case policy == tlsRequired && !offered:
		return permanent{errors.New("the server offers no STARTTLS, and tls is required; port 465 needs tls: implicit")}
	case policy == tlsRequired, policy == tlsOpportunistic && offered:
		return client.StartTLS(secure)
	}
	return nil
}

// mailAnswer says what an error of the SMTP conversation means: replies of 400
// ask for another attempt, those of 500 do not (RFC 5321 section 4.2.1).
func mailAnswer(ctx context.Context, err error) plan.Result {
	if err == nil {
		return plan.Result{Outcome: plan.Delivered}
	}
	if p, ok := errors.AsType[partly](err); ok {
		return plan.Result{Outcome: plan.Delivered, Error: p.Error()}
	}
	a := plan.Result{Outcome: plan.Retry, Error: reason(ctx, err), Status: replyCode(err)}
	_, late := errors.AsType[dataError](err)
	a.Uncertain = late && a.Status == 0
	_, ours := errors.AsType[permanent](err)
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case a.Status >= 500 && late, a.Status == 552:
		a.Outcome = plan.Rejected
	case a.Status >= 500, ours, cert, record:
		a.Outcome = plan.Refused
	}
	return a
}

// broken reports whether the connection ended.
func broken(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// replyCode is the server's reply in an error, or 0.
func replyCode(err error) int {
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return reply.Code
	}
	return 0
}
