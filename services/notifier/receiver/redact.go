package receiver

import (
	"net/url"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/authwatch/authwatch/services/internal/config"
)

const redacted = "<redacted>"

// shortest is the length from which a part of a URL may be a secret; shorter
// ones are words such as "services" and "v2".
const shortest = 8

// cleaner takes secrets out of text.
type cleaner []string

// redactor knows a URL's secrets, which are anywhere in it but the host, and the
// ones given.
func redactor(u config.Secret, secrets ...config.Secret) cleaner {
	var c cleaner
	add := func(s string, least int) {
		if len(s) >= least {
			c = append(c, s)
		}
	}
	for _, s := range secrets {
		add(s.Reveal(), 1)
	}
	if p, err := url.Parse(u.Reveal()); err == nil {
		add(p.RequestURI(), shortest)
		add(p.RawQuery, 1)
		if p.User != nil {
			word, _ := p.User.Password()
			add(word, 1)
			add(p.User.String(), 1)
		}
		for _, seg := range append(strings.Split(p.EscapedPath(), "/"), strings.Split(p.Path, "/")...) {
			add(seg, shortest)
		}
		for _, values := range p.Query() {
			for _, v := range values {
				add(v, 1)
			}
		}
	}
	add(u.Reveal(), 1)
	sort.Slice(c, func(i, j int) bool { return len(c[i]) > len(c[j]) })
	return c
}

func (c cleaner) clean(text string) string {
	for _, s := range c {
		text = strings.ReplaceAll(text, s, redacted)
	}
	return text
}

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

// cut cuts text to n bytes, between runes.
func cut(text string, n int) string {
	const more = "…"
	if len(text) <= n {
		return text
	}
	text = text[:n-len(more)]
	for len(text) > 0 && !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + more
}
