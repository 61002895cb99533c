package redact

import "encoding/base64"

// build makes the index of what is looked for. Most encodings are undone in the
// text; base64 is looked for as well, since one whose case was changed can no
// longer be undone.
func (f *Filter) build() {
	f.grams = map[uint64]struct{}{}
	for _, s := range f.secrets {
		secret := s.Reveal()
		switch {
		case secret == "":
		case len(secret) < run:
			f.short = append(f.short, secret)
		default:
			f.add([]byte(secret))
			f.add(bare([]byte(secret)))
			for shift := range 3 {
				f.add(bare(encoded(secret, shift)))
			}
		}
	}
}

func (f *Filter) add(form []byte) {
	var gram uint64
	for i, c := range form {
		gram = gram<<8 | uint64(fold(c))
		if i+1 >= run {
			f.grams[gram] = struct{}{}
			word, bit := sieved(gram)
			f.sieve[word] |= bit
		}
	}
}

func sieved(gram uint64) (word int, bit uint64) {
	hash := gram * 0x9e3779b97f4a7c15 >> 48 // Fibonacci hashing
	return int(hash >> 6), 1 << (hash & 63)
}

// encoded is what base64 makes of a secret that follows shift other bytes, as
// far as these and what comes after it have no part in it.
func encoded(secret string, shift int) []byte {
	all := base64.RawStdEncoding.AppendEncode(nil, append(make([]byte, shift), secret...))
	return all[(shift*8+5)/6 : (shift+len(secret))*8/6]
}

func bare(form []byte) []byte {
	var kept []byte
	for _, c := range form {
		if isAlnum(c) {
			kept = append(kept, c)
		}
	}
	return kept
}
