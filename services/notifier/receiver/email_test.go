package receiver

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"mime"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/notifier/plan"
)

// mailServer is an SMTP server that speaks STARTTLS and AUTH PLAIN.
type mailServer struct {
	net.Listener
	t      *testing.T
	tls    *tls.Config
	caFile string

	mu      sync.Mutex
	replies map[string]string // by command; "drop" ends the connection
	mails   []delivered
}

type delivered struct {
	from   string
	to     []string
	auth   string
	secure bool
	data   string
}

func newMailServer(t *testing.T, replies map[string]string) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &mailServer{Listener: l, t: t, replies: replies}
	s.certify()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return s
}

func (s *mailServer) certify() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(s.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(s.t, err)
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.caFile = filepath.Join(s.t.TempDir(), "ca.pem")
	require.NoError(s.t, os.WriteFile(s.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
}

func (s *mailServer) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := textproto.NewConn(conn)
	var m delivered
	_ = c.PrintfLine("220 mail.test ESMTP")
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		if reply := s.replies[verb]; reply == "drop" {
			return
		} else if reply != "" {
			_ = c.PrintfLine("%s", reply)
			continue
		}
		switch verb {
		case "EHLO":
			_ = c.PrintfLine("250-mail.test")
			if !m.secure {
				_ = c.PrintfLine("250-STARTTLS")
			}
			_ = c.PrintfLine("250-AUTH PLAIN")
			_ = c.PrintfLine("250 8BITMIME")
		case "STARTTLS":
			_ = c.PrintfLine("220 go ahead")
			secure := tls.Server(conn, s.tls)
			if secure.Handshake() != nil {
				return
			}
			conn, c, m.secure = secure, textproto.NewConn(secure), true
		case "AUTH":
			m.auth = strings.TrimPrefix(rest, "PLAIN ")
			_ = c.PrintfLine("235 welcome")
		case "MAIL":
			m.from = rest
			_ = c.PrintfLine("250 ok")
		case "RCPT":
			m.to = append(m.to, rest)
			_ = c.PrintfLine("250 ok")
		case "DATA":
			_ = c.PrintfLine("354 send it")
			data, err := c.ReadDotBytes()
			if err != nil || s.replies["."] == "drop" {
				return
			}
			if reply := s.replies["."]; reply != "" {
				_ = c.PrintfLine("%s", reply)
				continue
			}
			m.data = string(data)
			s.mu.Lock()
			s.mails = append(s.mails, m)
			s.mu.Unlock()
			_ = c.PrintfLine("250 queued")
		case "QUIT":
			_ = c.PrintfLine("221 bye")
			return
		default:
			_ = c.PrintfLine("250 ok")
		}
	}
}

func (s *mailServer) received() []delivered {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]delivered(nil), s.mails...)
}

func (s *mailServer) config() Config {
	return Config{Email: &Email{
		Smarthost: s.Addr().String(), From: "authwatch <a@example.com>", To: []string{"ops@example.com", "b@example.com"},
		Username: "a", Password: "sm7p-s3cret", CAFile: s.caFile, Hello: "notifier.test",
	}}
}

func TestAMailIsSentOverTLSAndThreadedByItsConversation(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, nil)
	first, last := opened(t), resolved(t)
	first.Title = ""
	last.Thread = first.ID
	require.Equal(t, plan.Result{Outcome: plan.Delivered}, send(t, s.config(), first))
	require.Equal(t, plan.Result{Outcome: plan.Delivered}, send(t, s.config(), last))

	got := s.received()
	require.Len(t, got, 2)
	require.True(t, got[0].secure)
	auth, err := base64.StdEncoding.DecodeString(got[0].auth)
	require.NoError(t, err)
	require.Equal(t, "\x00a\x00sm7p-s3cret", string(auth))
	require.Contains(t, got[0].from, "<a@example.com>")
	require.Len(t, got[0].to, 2)

	one, two := parseMail(t, got[0].data), parseMail(t, got[1].data)
	require.Equal(t, "<"+first.ID+"@example.com>", one.Header.Get("Message-ID"))
	require.Empty(t, one.Header.Get("In-Reply-To"))
	require.Equal(t, "<"+last.ID+"@example.com>", two.Header.Get("Message-ID"))
	require.Equal(t, one.Header.Get("Message-ID"), two.Header.Get("In-Reply-To"))
	require.Equal(t, one.Header.Get("Message-ID"), two.Header.Get("References"))
	require.Equal(t, "auto-generated", one.Header.Get("Auto-Submitted"))
	date, err := one.Header.Date()
	require.NoError(t, err)
	require.True(t, date.Equal(noon))
	subject, err := new(mime.WordDecoder).DecodeHeader(one.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, "github is unauthenticated (invalid_token)", subject)
	require.Contains(t, got[0].data, "Put a new token there")
}

func parseMail(t *testing.T, data string) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(bufio.NewReader(strings.NewReader(data)))
	require.NoError(t, err)
	return m
}

func TestHostileTextAddsNoHeaderToAMail(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, nil)
	m := opened(t)
	m.Workloads[0].Reason = "x\r\nBcc: evil@example.com"
	require.Equal(t, plan.Delivered, send(t, s.config(), m).Outcome)
	got := s.received()
	require.Len(t, got[0].to, 2)
	require.Empty(t, parseMail(t, got[0].data).Header.Get("Bcc"))
}

func TestSMTPRepliesMeanWhatTheirFirstDigitSays(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		replies map[string]string
		outcome plan.Outcome
		heard   bool
		text    string
	}{
		"sender not now":      {map[string]string{"MAIL": "451 try later"}, plan.Retry, false, "451"},
		"recipient unknown":   {map[string]string{"RCPT": "550 no such user"}, plan.Refused, false, "no such user"},
		"recipient grey":      {map[string]string{"RCPT": "450 greylisted"}, plan.Retry, false, "greylisted"},
		"password wrong":      {map[string]string{"AUTH": "535 authentication failed"}, plan.Refused, false, "authentication failed"},
		"content refused":     {map[string]string{".": "554 looks like spam"}, plan.Rejected, false, "spam"},
		"content not now":     {map[string]string{".": "452 disk full"}, plan.Retry, false, "disk full"},
		"cut after the text":  {map[string]string{".": "drop"}, plan.Retry, true, ""},
		"cut before the text": {map[string]string{"MAIL": "drop"}, plan.Retry, false, ""},
		"cut after the reply": {map[string]string{"RSET": "drop"}, plan.Delivered, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newMailServer(t, test.replies)
			a := send(t, s.config(), opened(t))
			require.Equal(t, test.outcome, a.Outcome, a.Error)
			require.Equal(t, test.heard, a.Uncertain)
			require.Contains(t, a.Error, test.text)
			require.NotContains(t, a.Error, "sm7p-s3cret")
		})
	}
}

func TestAPasswordIsNotSentWithoutTLS(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, map[string]string{"STARTTLS": "454 not available"})
	a := send(t, s.config(), opened(t))
	require.NotEqual(t, plan.Delivered, a.Outcome)
	require.Empty(t, s.received())
}

func TestAServerWhoseCertificateIsNotTrustedIsRefused(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, nil)
	c := s.config()
	c.Email.CAFile = newMailServer(t, nil).caFile
	a := send(t, c, opened(t))
	require.Equal(t, plan.Refused, a.Outcome)
	require.Contains(t, a.Error, "certificate")
}

func TestABadEmailIsAProblem(t *testing.T) {
	t.Parallel()
	c := Config{Email: &Email{Smarthost: "smtp", From: "nobody", To: []string{"x"}, TLS: "maybe", Username: "a"}}
	var paths []string
	for _, p := range c.Problems() {
		paths = append(paths, p.Path)
	}
	require.Equal(t, []string{"email.smarthost", "email.from", "email.to[0]", "email.tls", "email"}, paths)
	require.Empty(t, (&Config{Email: &Email{Smarthost: "smtp:25", From: "a@x", To: []string{"b@x"}}}).Problems())
}
