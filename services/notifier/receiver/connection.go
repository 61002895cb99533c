package receiver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/outbound"
)

// Connection is how a receiver's server is reached, for every kind that uses
// HTTP.
type Connection struct {
	CAFile string `yaml:"ca_file"` // CA certificates to trust in place of the system's
	// Headers are added to every request. A name that ends in "_file" is of a
	// file that holds the value.
	Headers        map[string]config.Secret `yaml:"headers"`
	ClientCertFile string                   `yaml:"client_cert_file"`
	ClientKeyFile  string                   `yaml:"client_key_file"`
	ProxyURL       config.Secret            `yaml:"proxy_url"` // in place of the environment's
	ProxyURLFile   string                   `yaml:"proxy_url_file"`
}

const fileSuffix = "_file"

// ownHeaders are those that a message needs as they are.
var ownHeaders = []string{"Connection", "Content-Length", "Content-Type", "Host", "Transfer-Encoding"}

func (c *Connection) problems() []config.Problem {
	var ps []config.Problem
	add := func(path string, err error) {
		if err != nil {
			ps = append(ps, config.Problem{Path: path, Text: err.Error()})
		}
	}
	_, err := outbound.Roots(c.CAFile)
	add("ca_file", err)
	if c.ClientCertFile != "" || c.ClientKeyFile != "" {
		_, err := tls.LoadX509KeyPair(c.ClientCertFile, c.ClientKeyFile)
		add("client_cert_file", err)
	}
	proxy := pair("proxy_url", c.ProxyURL, c.ProxyURLFile, false)
	if len(proxy) == 0 {
		_, err := c.transport()
		add("proxy_url", err)
	}
	ps = append(ps, proxy...)
	for name, value := range c.Headers {
		_, _, err := header(name, value)
		add("headers."+name, err)
	}
	return ps
}

// transport is new, with connections of its own.
func (c *Connection) transport() (*http.Transport, error) {
	roots, err := outbound.Roots(c.CAFile)
	if err != nil {
		return nil, err
	}
	t := outbound.Transport(roots)
	if c.ClientCertFile != "" {
		// Read for each connection: a renewed certificate needs no restart.
		t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.ClientCertFile, c.ClientKeyFile)
			return &pair, err
		}
	}
	address, err := config.ReadSecret(c.ProxyURL, c.ProxyURLFile)
	if err != nil {
		return nil, err
	}
	if address != "" {
		via, err := outbound.ParseProxy(address.Reveal())
		if err != nil {
			return nil, err
		}
		t.Proxy = http.ProxyURL(via)
	}
	return t, nil
}

// header is one of the headers, with its value read from its file if it has one.
func header(name string, value config.Secret) (string, config.Secret, error) {
	if base, ok := strings.CutSuffix(name, fileSuffix); ok {
		content, err := config.ReadSecret("", value.Reveal())
		if err != nil {
			return "", "", err
		}
		name, value = base, content
	}
	switch {
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }):
		return "", "", errors.New("is not the name of a header")
	case slices.ContainsFunc(ownHeaders, func(own string) bool { return strings.EqualFold(own, name) }):
		return "", "", errors.New("is set by authwatch itself")
	case strings.ContainsFunc(value.Reveal(), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return "", "", errors.New("has a value with a line break or another control character")
	}
	return name, value, nil
}

// headers are those to add, and what of them must not show.
func (c *Connection) headers() (http.Header, []config.Secret, error) {
	all := http.Header{}
	var secrets []config.Secret
	for key, value := range c.Headers {
		name, value, err := header(key, value)
		if err != nil {
			return nil, nil, fmt.Errorf("headers.%s: %w", key, err)
		}
		all.Set(name, value.Reveal())
		if len(value) >= shortest {
			secrets = append(secrets, value)
		}
	}
	return all, secrets, nil
}
