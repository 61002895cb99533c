package trace

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/outbound"
)

// path is where OTLP over HTTP takes spans, below a collector's address.
const path = "/v1/traces"

// Config is the tracing section of the configuration.
type Config struct {
	Endpoint    string                   `yaml:"endpoint"` // empty: off
	Headers     map[string]config.Secret `yaml:"headers"`
	HeadersFile string                   `yaml:"headers_file"` // "Name: value", one a line
	CAFile      string                   `yaml:"ca_file"`
}

// Validate reports everything that is wrong with c.
func (c *Config) Validate() []config.Problem {
	var problems []config.Problem
	fail := func(path, text string) { problems = append(problems, config.Problem{Path: path, Text: text}) }
	u, err := url.Parse(c.Endpoint)
	switch {
	case c.Endpoint == "":
		if len(c.Headers) > 0 || c.HeadersFile != "" || c.CAFile != "" {
			fail("endpoint", `is required: the address of the collector, "http://otel-collector:4318"`)
		}
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		// The URL itself is not shown: it may hold a password.
		fail("endpoint", `no URL that starts with http:// or https://; write it as "http://otel-collector:4318"`)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		fail("endpoint", "holds a user, a query or a fragment; put a login in headers")
	}
	if len(c.Headers) > 0 && c.HeadersFile != "" {
		fail("headers", "are given here and in headers_file; keep one")
	} else if _, err := c.header(); err != nil {
		key := "headers"
		if c.HeadersFile != "" {
			key = "headers_file"
		}
		fail(key, err.Error())
	}
	if _, err := c.client(); err != nil {
		fail("ca_file", err.Error())
	}
	return problems
}

// url is where the spans go. The long form of the address is taken too.
func (c *Config) url() string {
	return strings.TrimSuffix(strings.TrimRight(c.Endpoint, "/"), path) + path
}

// header is read at each attempt: a rotated file needs no restart.
func (c *Config) header() (http.Header, error) {
	h := http.Header{}
	for name, value := range c.Headers {
		if err := set(h, name, value.Reveal()); err != nil {
			return nil, err
		}
	}
	if c.HeadersFile == "" {
		return h, nil
	}
	text, err := config.ReadSecret("", c.HeadersFile)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(text.Reveal()) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		if err := set(h, strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return nil, fmt.Errorf("%s: %w", c.HeadersFile, err)
		}
	}
	return h, nil
}

// set refuses what net/http would refuse to send. Its errors show nothing: what
// should be a name may be a secret in the wrong place.
func set(h http.Header, name, value string) error {
	if name == "" || value == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}) {
		return errors.New(`a header is not of the form "Name: value"`)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return errors.New("the value of a header holds a control character")
	}
	h.Set(name, value)
	return nil
}

func (c *Config) client() (*http.Client, error) {
	roots, err := outbound.Roots(c.CAFile)
	if err != nil {
		return nil, err
	}
	return outbound.Client(outbound.Transport(roots), attemptTimeout), nil
}
