package events

import (
	"encoding/json"
	"fmt"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Message is an event on the wire, in the terms of any NATS client.
type Message struct {
	Subject string
	Header  map[string][]string
	Data    []byte
}

// The headers of a message. Their case is significant to NATS.
const (
	HeaderContentType = "Content-Type"
	HeaderMsgID       = "Nats-Msg-Id"
)

const contentTypeJSON = "application/cloudevents+json"

// Marshal encodes an event in structured mode, the one that the released NATS
// protocol binding (1.0.2) knows. The error is ErrInvalid or ErrTooLarge.
func Marshal(e event.Event) (Message, error) {
	if err := validate(e); err != nil {
		return Message{}, err
	}
	if !json.Valid(e.Data()) {
		return Message{}, fmt.Errorf("%w: data is not JSON", ErrInvalid)
	}
	subject := Subject(e.Type(), e.Subject())
	if !isSubject(subject) {
		return Message{}, fmt.Errorf("%w: %q cannot be published to", ErrInvalid, CleanText(subject, 128))
	}
	body, err := e.MarshalJSON()
	if err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(body) > MaxSize {
		return Message{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(body))
	}
	return Message{
		Subject: subject,
		Header: map[string][]string{
			HeaderContentType: {contentTypeJSON},
			HeaderMsgID:       {MsgID(e)},
		},
		Data: body,
	}, nil
}
