package outbound

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/authwatch/authwatch/services/internal/config"
)

// CheckEnvironment reports an egress proxy that the environment names and whose
// address cannot be read. net/http ignores it without a word, and the calls
// leave without a proxy.
func CheckEnvironment() []config.Problem {
	var ps []config.Problem
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		value := os.Getenv(name)
		if value == "" {
			name = strings.ToLower(name)
			value = os.Getenv(name)
		}
		if value == "" {
			continue
		}
		if _, err := ParseProxy(value); err != nil {
			ps = append(ps, config.Problem{Path: name, Text: err.Error()})
		}
	}
	return ps
}

// ParseProxy reads the address of an egress proxy. Its error does not show it, as
// it may hold a password.
func ParseProxy(address string) (*url.URL, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address // host:port is a proxy too
	}
	u, err := url.Parse(address)
	if err != nil && strings.Contains(address, "%") {
		return nil, errors.New("is not a valid address of a proxy; in a user name or password write % as %25")
	}
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("is not a valid address of a proxy; write http://host:port")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, fmt.Errorf("names a proxy of the kind %q; http, https and socks5 are known", u.Scheme)
}
