package events_test

import (
	"fmt"
	"time"

	"github.com/authwatch/authwatch/events"
)

// A message from any NATS client: its headers and its bytes.
func ExampleUnmarshal() {
	header := map[string][]string{"Content-Type": {"application/cloudevents+json"}}
	data := []byte(`{"specversion":"1.0","id":"019ab63c-e641-70bf-aa76-38d070ceff9d","source":"urn:authwatch:status",
		"type":"status.changed","subject":"github","time":"2026-11-24T10:00:00Z","datacontenttype":"application/json",
		"data":{"workload":"github","status":"unauthenticated","previous":"running","since":"2026-11-24T10:00:00Z","reason":"invalid_token"}}`)

	e, err := events.Unmarshal(header, data)
	if err != nil {
		fmt.Println(err)
		return
	}
	record, err := events.ParseStatus(e)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(record.Workload, record.Status, record.Reason, record.Status.Bad())
	// Output: github unauthenticated invalid_token true
}

func ExampleMarshal() {
	e, err := events.New(events.TypeLoaded, "urn:authwatch:proxy:edge-1", "github", time.Now(), events.Observation{
		Workload:   "github",
		Credential: &events.Credential{Fingerprint: "3f9a1c0b7d22", Source: "file /run/secrets/github"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := events.Marshal(e)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Subject, m.Header["Content-Type"], m.Header["Nats-Msg-Id"][0] == events.MsgID(e))
	// Output: auth.loaded.github [application/cloudevents+json] true
}

// What an upstream wrote can hold anything.
func ExampleCleanText() {
	fmt.Println(events.CleanText("expired\r\n\x1b[31mcall   me", 12))
	// Output: expired [31m
}

func ExampleSubject() {
	fmt.Println(events.Subject(events.TypeUnauthorized, "github"))
	// Output: auth.unauthorized.github
}
