package receiver

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // CRAM-MD5 is what it is
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mailServer is an SMTP server that speaks STARTTLS, or TLS from the first byte
// where implicit is set, and the mechanisms that offer names.
type mailServer struct {
	address  string
	implicit bool
	offer    string
	broken   string // a mechanism that it offers and that works for nobody
	net.Listener
	t      *testing.T
	tls    *tls.Config
	caFile string

	mu      sync.Mutex
	replies map[string]string // by command, or by "RCPT address"; "drop" ends the connection
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
	return startMail(t, &mailServer{replies: replies})
}

func startMail(t *testing.T, s *mailServer) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", cmp.Or(s.address, "127.0.0.1:0"))
	require.NoError(t, err)
	s.Listener, s.t, s.offer = l, t, cmp.Or(s.offer, "PLAIN")
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
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
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
	var m delivered
	if s.implicit {
		conn, m.secure = tls.Server(conn, s.tls), true
	}
	c := textproto.NewConn(conn)
	_ = c.PrintfLine("220 mail.test ESMTP")
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		if reply := cmp.Or(s.replies[verb], s.replies[verb+" "+address(rest)]); reply == "drop" {
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
			_ = c.PrintfLine("250-AUTH %s", s.offer)
			_ = c.PrintfLine("250 8BITMIME")
		case "STARTTLS":
			_ = c.PrintfLine("220 go ahead")
			secure := tls.Server(conn, s.tls)
			if secure.Handshake() != nil {
				return
			}
			conn, c, m.secure = secure, textproto.NewConn(secure), true
		case "AUTH":
			m.auth = s.login(c, rest)
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

// address is the one in an argument such as TO:<a@example.com>.
func address(rest string) string {
	_, after, _ := strings.Cut(rest, "<")
	a, _, _ := strings.Cut(after, ">")
	return a
}

// login answers an AUTH command: the user is "a" and the password "sm7p-s3cret".
// It returns how somebody logged in.
func (s *mailServer) login(c *textproto.Conn, rest string) string {
	name, first, _ := strings.Cut(rest, " ")
	ask := func(question string) string {
		_ = c.PrintfLine("334 %s", base64.StdEncoding.EncodeToString([]byte(question)))
		line, _ := c.ReadLine()
		plain, _ := base64.StdEncoding.DecodeString(line)
		return string(plain)
	}
	initial, _ := base64.StdEncoding.DecodeString(first)
	ok := false
	switch name {
	case "PLAIN":
		ok = string(initial) == "\x00a\x00sm7p-s3cret"
	case "LOGIN":
		ok = ask("Username:") == "a" && ask("Password:") == "sm7p-s3cret"
	case "CRAM-MD5":
		const challenge = "<1896.697170952@mail.test>"
		h := hmac.New(md5.New, []byte("sm7p-s3cret"))
		h.Write([]byte(challenge))
		ok = ask(challenge) == "a "+hex.EncodeToString(h.Sum(nil))
	case "XOAUTH2":
		if ok = string(initial) == "user=a\x01auth=Bearer sm7p-s3cret\x01\x01"; !ok {
			ask(`{"status":"401"}`)
		}
	}
	if !ok || name == s.broken {
		_ = c.PrintfLine("535 5.7.8 authentication failed")
		return ""
	}
	_ = c.PrintfLine("235 welcome")
	return name
}

func (s *mailServer) received() []delivered {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]delivered(nil), s.mails...)
}
