// Subscriber prints what authwatch says, one line an event.
//
//	NATS_URL=nats://user:password@127.0.0.1:4222 go run .
//
// It is a core NATS subscription: it asks for the right to subscribe to auth.>
// and status.> and for no other, so it runs as the most limited user there is.
// The price: it sees what is published while it is connected, and a publish that
// was sent again arrives twice, with one events.MsgID. A program that must miss
// nothing reads the streams AUTH and STATUS (docs/events.md).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/authwatch/authwatch/events"
)

func main() {
	if err := run(os.Getenv("NATS_URL")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	nc, err := nats.Connect(url, nats.Name("subscriber"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer nc.Close()
	for _, subject := range []string{"auth.>", "status.>"} {
		if _, err := nc.Subscribe(subject, func(m *nats.Msg) { fmt.Println(line(m)) }); err != nil {
			return fmt.Errorf("subscribe to %s: %w", subject, err)
		}
	}
	<-ctx.Done()
	return nil
}

// line is an event for people. Types and statuses that are not known here yet
// are printed like the others.
func line(m *nats.Msg) string {
	e, err := events.Unmarshal(m.Header, m.Data)
	if err != nil {
		return fmt.Sprintf("%s: %v", m.Subject, err)
	}
	s := fmt.Sprintf("%s  %-19s %s", e.Time().Local().Format(time.TimeOnly), e.Type(), e.Subject())
	if r, err := events.ParseStatus(e); err == nil {
		return fmt.Sprintf("%s: %s since %s. %s", s, r.Status, r.Since.Local().Format(time.TimeOnly), events.CleanText(r.Message, 500))
	}
	if o, err := events.ParseObservation(e); err == nil && o.Credential != nil {
		return fmt.Sprintf("%s: credential %s from %s %s", s, o.Credential.Fingerprint, events.CleanText(o.Credential.Source, 200), events.CleanText(o.Detail, 500))
	}
	return s
}
