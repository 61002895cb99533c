package events

import "github.com/cloudevents/sdk-go/v2/event"

// rebuilt is the extension of a status event that is stored a second time.
const rebuilt = "rebuilt"

// SetRebuilt marks an event of a record's history that was stored once, was lost
// with its stream, and is stored again. Who acts on changes acts on none of these:
// the event after the last of them has the record as it is.
func SetRebuilt(e *event.Event) { e.SetExtension(rebuilt, true) }

// Rebuilt reports whether an event is marked by [SetRebuilt].
func Rebuilt(e event.Event) bool {
	switch value := e.Extensions()[rebuilt].(type) {
	case bool:
		return value
	case string: // of the binary mode
		return value == "true"
	}
	return false
}
