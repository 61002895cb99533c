package receiver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/notifier/plan"
)

func TestAMailIsSentWithEveryLoginOverEveryKindOfTLS(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		server *mailServer
		tls    string
		auth   string
		token  bool
		used   string
	}{
		"465 PLAIN":             {&mailServer{implicit: true, offer: "PLAIN"}, "implicit", "", false, "PLAIN"},
		"465 LOGIN":             {&mailServer{implicit: true, offer: "LOGIN"}, "implicit", "", false, "LOGIN"},
		"465 both":              {&mailServer{implicit: true, offer: "PLAIN LOGIN"}, "implicit", "", false, "PLAIN"},
		"465 in small letters":  {&mailServer{implicit: true, offer: "login plain"}, "implicit", "login", false, "LOGIN"},
		"587 LOGIN only":        {&mailServer{offer: "LOGIN"}, "", "", false, "LOGIN"},
		"587 chosen":            {&mailServer{offer: "PLAIN LOGIN"}, "", "login", false, "LOGIN"},
		"587 CRAM-MD5":          {&mailServer{offer: "PLAIN CRAM-MD5"}, "", "cram-md5", false, "CRAM-MD5"},
		"587 XOAUTH2":           {&mailServer{offer: "PLAIN XOAUTH2"}, "", "xoauth2", true, "XOAUTH2"},
		"587 a token is enough": {&mailServer{offer: "PLAIN XOAUTH2"}, "", "", true, "XOAUTH2"},
		"25 LOGIN without TLS":  {&mailServer{offer: "LOGIN"}, "none", "login", false, "LOGIN"},
		"25 PLAIN without TLS":  {&mailServer{offer: "PLAIN"}, "none", "", false, "PLAIN"},
		"one that fails":        {&mailServer{offer: "CRAM-MD5 LOGIN", broken: "CRAM-MD5"}, "", "", false, "LOGIN"},
		"two that fail":         {&mailServer{offer: "SCRAM-SHA-256 PLAIN LOGIN", broken: "PLAIN"}, "", "", false, "LOGIN"},
		"over IPv6":             {&mailServer{address: "[::1]:0", offer: "PLAIN"}, "", "", false, "PLAIN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startMail(t, test.server)
			c := s.config()
			c.Email.TLS, c.Email.Auth = test.tls, test.auth
			if test.token {
				file := filepath.Join(t.TempDir(), "token")
				require.NoError(t, os.WriteFile(file, []byte("sm7p-s3cret\n"), 0o600))
				c.Email.Password, c.Email.TokenFile = "", file
			}
			require.Equal(t, plan.Result{Outcome: plan.Delivered}, send(t, c, opened(t)))
			got := s.received()
			require.Len(t, got, 1)
			require.Equal(t, test.used, got[0].auth)
			require.Equal(t, test.tls != "none", got[0].secure)
		})
	}
}

func TestARefusedRecipientKeepsTheMailFromNobodyElse(t *testing.T) {
	t.Parallel()
	for reply, text := range map[string]string{
		"550 no such user": `ops@example.com: 550 "no such user"`, "450 greylisted": `ops@example.com: 450 "greylisted"`,
	} {
		s := newMailServer(t, map[string]string{"RCPT ops@example.com": reply})
		a := send(t, s.config(), opened(t))
		require.Equal(t, plan.Delivered, a.Outcome)
		require.Equal(t, "sent, but not to all: "+text, a.Error)
		got := s.received()
		require.Len(t, got, 1)
		require.Equal(t, []string{"TO:<b@example.com>"}, got[0].to)
	}
}

func TestAMailThatNoRetryHealsIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		server *mailServer
		change func(*Email)
		text   string
	}{
		"no login that fits": {&mailServer{offer: "GSSAPI NTLM"}, func(*Email) {}, "it offers GSSAPI, NTLM"},
		"the chosen one is not offered": {
			&mailServer{offer: "PLAIN"}, func(e *Email) { e.Auth = "login" }, "it offers PLAIN",
		},
		"TLS from the first byte of a plain server": {
			&mailServer{}, func(e *Email) { e.TLS = "implicit" }, "TLS could not be agreed on",
		},
		"a CA file that is gone": {&mailServer{}, func(e *Email) { _ = os.Remove(e.CAFile) }, "no such file"},
		"a wrong password":       {&mailServer{offer: "PLAIN LOGIN CRAM-MD5"}, func(e *Email) { e.Password = "wrong" }, "535"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startMail(t, test.server)
			c := s.config()
			r := build(t, c)
			test.change(&r.(*email).Email)
			m := opened(t)
			require.NoError(t, Templates{}.Render(&m))
			a := r.Send(t.Context(), m)
			require.Equal(t, plan.Refused, a.Outcome, a.Error)
			require.Contains(t, a.Error, test.text)
			require.Empty(t, s.received())
		})
	}
}

func TestALoginThatCannotWorkIsAProblem(t *testing.T) {
	t.Parallel()
	for text, e := range map[string]Email{
		`"ntlm" is none of`:      {Auth: "ntlm", Username: "a", Password: "x"},
		"needs a username":       {Auth: "plain"},
		"for auth: xoauth2 only": {Auth: "plain", Username: "a", Token: "x"},
		"needs token or":         {Auth: "xoauth2", Username: "a"},
	} {
		e.Smarthost, e.From, e.To = "smtp:25", "a@x", []string{"b@x"}
		ps := (&Config{Email: &e}).Problems()
		require.NotEmpty(t, ps, text)
		require.Contains(t, ps[0].Text, text)
	}
}
