package events

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
)

// MaxSize bounds an encoded event, in bytes: what every CloudEvents consumer
// should accept (CloudEvents 1.0, size limits).
const MaxSize = 64 << 10

// maxAttribute bounds each context attribute, in bytes.
const maxAttribute = 256

var (
	ErrTooLarge = errors.New("the event is larger than 64 KiB")
	ErrInvalid  = errors.New("not a valid event")
)

// validate holds what is asked of an event beyond the SDK's own check, in both
// directions, but for whether data is JSON: who decodes has looked already.
func validate(e event.Event) error {
	if e.SpecVersion() != event.CloudEventsVersionV1 {
		return fmt.Errorf("%w: specversion is %q, not 1.0", ErrInvalid, e.SpecVersion())
	}
	if err := e.Validate(); err != nil {
		return fmt.Errorf("%w: %s", ErrInvalid, strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
	}
	for _, a := range []struct{ name, value string }{
		{"id", e.ID()}, {"source", e.Source()}, {"type", e.Type()}, {"subject", e.Subject()}, {"dataschema", e.DataSchema()},
	} {
		if len(a.value) > maxAttribute {
			return fmt.Errorf("%w: %s is longer than %d bytes", ErrInvalid, a.name, maxAttribute)
		}
		if !plain(a.value) {
			return fmt.Errorf("%w: %s holds control characters or bytes that are no UTF-8", ErrInvalid, a.name)
		}
	}
	if e.Time().IsZero() {
		return fmt.Errorf("%w: time is missing", ErrInvalid)
	}
	for name, value := range e.Extensions() {
		if s, ok := value.(string); ok && !plain(s) {
			return fmt.Errorf("%w: %s holds control characters or bytes that are no UTF-8", ErrInvalid, name)
		}
	}
	if needsWorkload(e.Type()) || e.Subject() != "" && isAlert(e.Type()) {
		if err := ValidWorkload(e.Subject()); err != nil {
			return fmt.Errorf("%w: subject: %w", ErrInvalid, err)
		}
	}
	// Absent means JSON, in the JSON format.
	if t := e.DataMediaType(); t != "" && t != event.ApplicationJSON {
		return fmt.Errorf("%w: datacontenttype is %q, not application/json", ErrInvalid, e.DataContentType())
	}
	if len(e.Data()) == 0 {
		return fmt.Errorf("%w: data is missing", ErrInvalid)
	}
	return nil
}

// plain reports whether s is UTF-8 without control characters.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, isControl)
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f }

// CleanText makes text from outside safe to carry: valid UTF-8 of at most limit
// runes, without characters that are invisible or change the direction of text.
// Each run of such characters and of white space becomes one space: what they
// kept apart, such as the halves of a secret, stays apart.
func CleanText(s string, limit int) string {
	var b strings.Builder
	runes, space := 0, false
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			space = true
			continue
		}
		if space && runes > 0 {
			if runes+2 > limit {
				break
			}
			b.WriteByte(' ')
			runes++
		}
		if runes++; runes > limit {
			break
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}
