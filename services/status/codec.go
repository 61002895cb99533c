package status

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// urn is the source of the status events. All replicas share it, and the ids of their
// events, so that the stream stores one of two equal writes.
const urn = "urn:authwatch:status"

// proxySource is the source of a proxy's events, before its instance.
const proxySource = "urn:authwatch:proxy:"

func position(m bus.Message) events.Position {
	return events.Position{Sequence: m.Sequence, Stream: m.Created.UTC()}
}

// statusOf is the filter that a workload's record lives on.
func statusOf(workload string) string { return "status.*." + workload }

// observe decodes a message of the AUTH stream.
func observe(m bus.Message) (Observation, error) {
	data, err := events.ParseObservation(m.Event)
	if err != nil {
		return Observation{}, err
	}
	workload := m.Event.Subject()
	if data.Workload != workload || !strings.HasSuffix(m.Subject, "."+workload) {
		return Observation{}, fmt.Errorf("workload %q in the data, %q in the event, on %s", data.Workload, workload, m.Subject)
	}
	return Observation{
		Type: m.Event.Type(), ID: m.Event.ID(), Source: m.Event.Source(), Time: m.Event.Time(),
		Data: data, TraceParent: events.TraceParent(m.Event), Position: position(m), Stored: m.Stored.UTC(),
	}, nil
}

func versionOf(m bus.Message) (version, error) {
	r, err := events.ParseStatus(m.Event)
	if err != nil {
		return version{}, err
	}
	return version{record: r, sequence: m.Sequence, stream: m.Created}, nil
}

// statusEvent announces the record after o. Its id and time follow from the
// observation: a write that is tried again, by whatever replica, is the same event.
func statusEvent(before, after events.Record, o Observation) (event.Event, error) {
	typ := events.TypeStatusUpdated
	if transition(before, after) {
		typ = events.TypeStatusChanged
	}
	e, err := events.New(typ, urn, after.Workload, o.Stored, after)
	if err != nil {
		return e, err
	}
	e.SetID(events.DeriveID(after.Workload, strconv.FormatInt(o.Position.Stream.UnixNano(), 10), strconv.FormatUint(o.Position.Sequence, 10)))
	events.SetTraceParent(&e, o.TraceParent)
	return e, nil
}
