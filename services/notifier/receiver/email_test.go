package receiver

import (
	"bufio"
	"mime"
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/notifier/plan"
)

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
	require.Equal(t, "PLAIN", got[0].auth)
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
		"cut after the reply": {map[string]string{"QUIT": "drop"}, plan.Delivered, false, ""},
		"both now and later":  {map[string]string{"RCPT ops@example.com": "550 gone", "RCPT b@example.com": "450 greylisted"}, plan.Retry, false, "greylisted"},
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
