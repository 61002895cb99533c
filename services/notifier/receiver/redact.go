package receiver

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/redact"
)

// shortest is the length from which a part of a URL may be a secret; shorter
// ones are words such as "hooks" and "v2".
const shortest = 8

// redactor knows a URL's secrets, which are anywhere in it but the host, and the
// ones given.
func redactor(u config.Secret, secrets ...config.Secret) *redact.Filter {
	all := slices.Clone(secrets)
	add := func(s string, least int) {
		if len(s) >= least {
			all = append(all, config.Secret(s))
		}
	}
	p, err := url.Parse(u.Reveal())
	if err != nil {
		add(u.Reveal(), 1)
		return redact.New(all...)
	}
	add(p.RequestURI(), shortest)
	add(p.Path, shortest)
	if p.User != nil {
		word, _ := p.User.Password()
		add(word, 1)
		add(p.User.String(), 1)
	}
	for _, values := range p.Query() {
		for _, v := range values {
			add(v, 1)
		}
	}
	return redact.New(all...)
}

// said is what somebody else wrote, on one line and without secrets. They go
// before anything is cut off: half of one would not be found.
func said(secrets *redact.Filter, text string) string { return oneLine(secrets.Text(text), 240) }

// oneLine is text on one line, of at most n runes, without control characters.
func oneLine(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	return truncate(strings.Join(strings.Fields(text), " "), n)
}

// truncate cuts text to n runes, the last one an ellipsis where it was longer.
func truncate(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:max(n-1, 0)]) + "…"
}
