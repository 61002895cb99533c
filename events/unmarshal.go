package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Unmarshal decodes a message in structured mode, or in binary mode (attributes
// in percent-encoded ce- headers, their names in any case). It is stricter than
// the SDK: the errors are ErrInvalid and ErrTooLarge. It accepts every type:
// what to do with an unknown one is for the caller to decide.
func Unmarshal(header map[string][]string, data []byte) (event.Event, error) {
	if len(data) > MaxSize {
		return event.Event{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(data))
	}
	decode := structured
	contentType := lookup(header, HeaderContentType)
	if media, _, _ := strings.Cut(contentType, ";"); strings.EqualFold(strings.TrimSpace(media), "application/cloudevents-batch+json") {
		return event.Event{}, fmt.Errorf("%w: batches are not part of the NATS binding", ErrInvalid)
	}
	if !strings.HasPrefix(strings.ToLower(contentType), "application/cloudevents") && lookup(header, "ce-specversion") != "" {
		decode = binaryMode
	}
	e, err := decode(header, data)
	if err != nil {
		return event.Event{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := validate(e); err != nil {
		return event.Event{}, err
	}
	return e, nil
}

func structured(_ map[string][]string, data []byte) (event.Event, error) {
	if err := checkEnvelope(data); err != nil {
		return event.Event{}, err
	}
	var e event.Event
	if err := e.UnmarshalJSON(data); err != nil {
		return event.Event{}, err
	}
	if e.DataBase64 {
		return e, checkData(e.DataEncoded)
	}
	return e, nil
}

func binaryMode(header map[string][]string, data []byte) (event.Event, error) {
	attributes := map[string]string{}
	for name, values := range header {
		attribute, ok := strings.CutPrefix(strings.ToLower(name), "ce-")
		if !ok {
			continue
		}
		if attribute == "data" || attribute == "data_base64" {
			return event.Event{}, fmt.Errorf("%q is not an attribute", attribute)
		}
		if _, twice := attributes[attribute]; twice || len(values) != 1 {
			return event.Event{}, fmt.Errorf("the attribute %q stands twice", CleanText(attribute, 64))
		}
		value, err := url.PathUnescape(values[0])
		if err != nil {
			return event.Event{}, fmt.Errorf("the attribute %q is not percent-encoded: %w", CleanText(attribute, 64), err)
		}
		attributes[attribute] = value
	}
	if _, ok := attributes["datacontenttype"]; !ok {
		attributes["datacontenttype"] = event.ApplicationJSON
		if media, _, err := mime.ParseMediaType(lookup(header, HeaderContentType)); err == nil {
			attributes["datacontenttype"] = media
		}
	}
	// The JSON form of the same attributes goes through the same decoder, so that
	// both modes have one set of rules.
	envelope, err := json.Marshal(attributes)
	if err != nil {
		return event.Event{}, err
	}
	e, err := structured(nil, envelope)
	if err != nil {
		return event.Event{}, err
	}
	e.DataEncoded = bytes.Clone(data)
	return e, checkData(e.DataEncoded)
}

func lookup(header map[string][]string, name string) string {
	if v := header[name]; len(v) > 0 {
		return v[0]
	}
	for k, v := range header {
		if len(v) > 0 && strings.EqualFold(k, name) {
			return v[0]
		}
	}
	return ""
}
