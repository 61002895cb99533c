// Package redact takes secrets out of text that somebody else wrote, however
// they are written there.
//
// A secret is found by the runs of eight characters that it shares with the
// text: whole, cut off, in another case, backwards, with characters in between,
// and encoded (see [Filter.Text]). Text is redacted after it was decoded and
// before it is cut: half a secret, or half an escape, is harder to recognise.
package redact

import (
	"strings"
	"sync"

	"github.com/authwatch/authwatch/services/internal/config"
)

// Mark stands in the text where a secret was.
const Mark = "<redacted>"

// run is the length from which a piece of a secret is one: shorter pieces, such
// as "ghp_" and "Bearer ", are in texts that hold no secret.
const run = 8

// gap is the most that is taken away between two pieces of secrets.
const gap = 8

// Filter knows some secrets. It does not change and may be used by many at
// once. The zero value and nil know none.
type Filter struct {
	secrets []config.Secret
	index   sync.Once // most filters never see a text
	grams   map[uint64]struct{}
	sieve   [1 << 10]uint64 // a bit for each of them: most of a text is looked up here only
	short   []string
}

// New returns a filter for the secrets; empty ones are left out.
func New(secrets ...config.Secret) *Filter { return &Filter{secrets: secrets} }

// Text returns text without the secrets. It finds them in upper and lower case,
// backwards, with anything but letters and digits between their characters, in
// escapes (percent, HTML, JSON, quoted-pairs, quoted-printable, octal, 0x41),
// in base64 of both alphabets and any alignment, in hexadecimal and as decimal
// character codes, and in two of these in one another.
//
// A secret of less than eight characters is only found whole, as a word.
func (f *Filter) Text(text string) string {
	if f == nil || len(f.secrets) == 0 || text == "" {
		return text
	}
	f.index.Do(f.build)
	if len(text) < run && len(f.short) == 0 {
		return text
	}
	found := &spans{}
	budget := 16*len(text) + 4096
	queue := []*view{whole(text)}
	for len(queue) > 0 && budget > 0 {
		v := queue[0]
		queue = queue[1:]
		budget -= len(v.bytes)
		f.match(v, found)
		if v.depth < deepest {
			queue = append(queue, v.decoded()...)
		}
	}
	return found.cover(text)
}

// match notes where v holds a piece of a secret.
func (f *Filter) match(v *view, found *spans) {
	f.matchRuns(v, found, false)
	f.matchRuns(v, found, true)
	for _, s := range f.short {
		if len(s) >= run/2 || v.depth == 0 {
			matchWord(v, found, s)
		}
	}
}

// matchRuns looks at every run of v; with bare, of its letters and digits alone.
func (f *Filter) matchRuns(v *view, found *spans, bare bool) {
	var forth, back uint64
	var starts [run]int32
	n := 0
	for i, c := range v.bytes {
		if v.from[i] < 0 {
			n = 0
			continue
		}
		if bare && !isAlnum(c) {
			continue
		}
		c = fold(c)
		forth, back = forth<<8|uint64(c), back>>8|uint64(c)<<56
		starts[n%run] = v.from[i]
		if n++; n < run {
			continue
		}
		if f.has(forth) || f.has(back) {
			found.add(starts[n%run], v.to[i])
		}
	}
}

func (f *Filter) has(gram uint64) bool {
	if word, bit := sieved(gram); f.sieve[word]&bit == 0 {
		return false
	}
	_, ok := f.grams[gram]
	return ok
}

// matchWord looks for a secret that is too short to be recognised by a part.
func matchWord(v *view, found *spans, secret string) {
	text := string(v.bytes)
	for at := 0; ; {
		i := strings.Index(text[at:], secret)
		if i < 0 {
			return
		}
		start, end := at+i, at+i+len(secret)
		at = start + 1
		if (start == 0 || !isAlnum(text[start-1])) && (end == len(text) || !isAlnum(text[end])) {
			found.add(v.from[start], v.to[end-1])
		}
	}
}

func isAlnum(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }

func fold(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}
