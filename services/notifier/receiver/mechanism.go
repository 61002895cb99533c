package receiver

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wneessen/go-mail/smtp"

	"github.com/authwatch/authwatch/services/internal/config"
)

// login is what a mail server is shown.
type login struct {
	host, user string
	password   config.Secret // or an access token
	plaintext  bool          // a password may go over a line without TLS
}

// mechanism is a way to log in to a mail server.
type mechanism struct {
	key, name string // in the configuration, and in SMTP
	clear     bool   // the password itself is sent
	auth      func(l login) smtp.Auth
}

const authXOAUTH2 = "xoauth2"

// mechanisms are in the order in which they are tried.
var mechanisms = []mechanism{
	{"scram-sha-256", "SCRAM-SHA-256", false, func(l login) smtp.Auth { return smtp.ScramSHA256Auth(l.user, l.password.Reveal()) }},
	{"scram-sha-1", "SCRAM-SHA-1", false, func(l login) smtp.Auth { return smtp.ScramSHA1Auth(l.user, l.password.Reveal()) }},
	{"cram-md5", "CRAM-MD5", false, func(l login) smtp.Auth { return smtp.CRAMMD5Auth(l.user, l.password.Reveal()) }},
	{"plain", "PLAIN", true, func(l login) smtp.Auth { return smtp.PlainAuth("", l.user, l.password.Reveal(), l.host, l.plaintext) }},
	{"login", "LOGIN", true, func(l login) smtp.Auth { return smtp.LoginAuth(l.user, l.password.Reveal(), l.host, l.plaintext) }},
	{authXOAUTH2, "XOAUTH2", true, func(l login) smtp.Auth { return smtp.XOAuth2Auth(l.user, l.password.Reveal()) }},
}

// choose returns the mechanisms to try: of those that the server offers, the one
// that key names, or without it all that fit.
func choose(key, offer string, unencrypted, byToken bool) ([]mechanism, error) {
	offered := strings.Fields(strings.ToUpper(offer))
	var usable []mechanism
	hidden := false // what remains would show the password to the network
	for _, m := range mechanisms {
		wanted := key == m.key || key == "" && byToken == (m.key == authXOAUTH2)
		if !wanted || !slices.Contains(offered, m.name) {
			continue
		}
		if m.clear && !unencrypted {
			hidden = true
			continue
		}
		usable = append(usable, m)
	}
	switch {
	case len(usable) > 0:
		return usable, nil
	case hidden:
		return nil, errors.New("the connection has no TLS, and the password would be sent readable; set tls: required, or tls: none to allow it")
	case len(offered) == 0:
		return nil, errors.New("the server offers no login; remove the username, or check the port")
	}
	return nil, fmt.Errorf("the server offers none of the ways to log in that can be used here; it offers %s", strings.Join(offered, ", "))
}
