package redact

import "slices"

// deepest is how many encodings in one another are undone.
const deepest = 3

// view is a text as it reads once something was undone. Each byte knows which
// part of the text it comes from; a negative from separates what does not belong
// together.
type view struct {
	bytes    []byte
	from, to []int32
	depth    int
}

func whole(text string) *view {
	v := sized(len(text))
	for i := range len(text) {
		v.add(text[i], int32(i), int32(i)+1)
	}
	return v
}

// sized returns an empty view with room for n bytes.
func sized(n int) *view {
	v := &view{}
	v.grow(n)
	return v
}

func (v *view) grow(n int) {
	v.bytes, v.from, v.to = slices.Grow(v.bytes, n), slices.Grow(v.from, n), slices.Grow(v.to, n)
}

// copy appends a part of another view as it is.
func (v *view) copy(other *view, start, end int) {
	v.bytes = append(v.bytes, other.bytes[start:end]...)
	v.from = append(v.from, other.from[start:end]...)
	v.to = append(v.to, other.to[start:end]...)
}

func (v *view) add(c byte, from, to int32) {
	v.bytes, v.from, v.to = append(v.bytes, c), append(v.from, from), append(v.to, to)
}

func (v *view) separate() {
	if n := len(v.from); n > 0 && v.from[n-1] >= 0 {
		v.add(0, -1, -1)
	}
}

// decoded returns what can be read in v by undoing one encoding. A view that
// says nothing new is left out.
func (v *view) decoded() []*view {
	var all []*view
	keep := func(d *view, news bool) {
		if news && len(d.bytes) > 0 {
			d.depth = v.depth + 1
			all = append(all, d)
		}
	}
	keep(v.unescaped(escape))
	keep(v.unescaped(byteEscape))
	bare := v.bare()
	for skip := range 4 {
		keep(v.packed(base64Value, 6, skip))
		if skip < 2 {
			keep(bare.packed(hexValue, 4, skip))
		}
	}
	keep(v.codes())
	return all
}

// bare is v with its letters and digits alone.
func (v *view) bare() *view {
	d := sized(len(v.bytes))
	for i, c := range v.bytes {
		switch {
		case v.from[i] < 0:
			d.separate()
		case isAlnum(c):
			d.add(c, v.from[i], v.to[i])
		}
	}
	return d
}
