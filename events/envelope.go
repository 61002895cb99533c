package events

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// New makes an event of one of this package's types. The id is made here, once:
// whoever sends the event again sends the same id and time.
//
// The source names a service and its instance ("urn:authwatch:proxy:edge-1")
// and stays the same over restarts.
func New(typ, source, workload string, at time.Time, data any) (event.Event, error) {
	body, err := json.Marshal(data)
	if err != nil {
		return event.Event{}, fmt.Errorf("encode the data of %s: %w", typ, err)
	}
	e := event.New(event.CloudEventsVersionV1)
	e.SetID(NewID(at))
	e.SetType(typ)
	e.SetSource(source)
	if workload != "" {
		e.SetSubject(workload)
	}
	e.SetTime(at.UTC())
	e.SetDataSchema(SchemaURI(typ))
	e.SetDataContentType(event.ApplicationJSON)
	e.DataEncoded = body
	if err := validate(e); err != nil {
		return event.Event{}, fmt.Errorf("new %s event: %w", typ, err)
	}
	return e, nil
}

// NewID returns a UUIDv7 (RFC 9562 section 5.7): ids sort by time.
func NewID(at time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[6:]) // never fails: crypto/rand ends the process instead
	ms := uint64(at.UnixMilli())
	binary.BigEndian.PutUint32(b[0:], uint32(ms>>16))
	binary.BigEndian.PutUint16(b[4:], uint16(ms))
	return uuid(b, 7)
}

// DeriveID returns a UUIDv8 (RFC 9562 section 5.8) made of parts: whoever derives
// it again gets the same.
func DeriveID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return uuid([16]byte(sum[:]), 8)
}

func uuid(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// SchemaURI is the dataschema attribute of a type's events.
func SchemaURI(typ string) string { return "urn:authwatch:" + typ + ":v1" }

// MsgID is the value of the Nats-Msg-Id header: an event is identified by its
// source and id together (CloudEvents 1.0 section 3.1).
func MsgID(e event.Event) string { return e.Source() + "#" + e.ID() }
