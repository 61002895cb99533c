package e2e_test

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
)

func TestGarbageOnTheBusIsSetAsideAndTheNextEventIsHandled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &oneProcess{world: w, file: w.configure(t, `nats: {listen: "`+w.nats+`"}`)}
	s.start(t)
	client := weather.NewClient(w.endpoint())
	defer client.Close()
	w.awaitCall(t, client)
	w.awaitStatus(t, events.StatusRunning)

	nc, err := nats.Connect("nats://" + w.nats)
	require.NoError(t, err)
	defer nc.Close()
	garbage := []string{"not an event", `{"specversion":"1.0","id":"1","source":"x","type":"auth.unauthorized","subject":"github","data":{"workload":"other"}}`, ""}
	for _, text := range garbage {
		require.NoError(t, nc.Publish("auth.unauthorized.github", []byte(text)))
	}
	require.NoError(t, nc.Flush())
	w.upstream.Accept("")
	_, err = client.Call(t.Context())
	require.Error(t, err)
	w.awaitStatus(t, events.StatusUnauthenticated)

	dead := w.stream(t, "DEAD", "dead.status")
	require.Len(t, dead, len(garbage))
	for i, m := range dead {
		require.Equal(t, garbage[i], string(m.Data), "the bytes as they came")
		require.NotEmpty(t, m.Header.Get("Dead-Reason"))
		require.Equal(t, "AUTH", m.Header.Get("Dead-Stream"))
		require.NotEmpty(t, m.Header.Get("Dead-Sequence"))
	}
}

func TestASubscriberNeedsTheContractAndANATSClientOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &oneProcess{world: w, file: w.configure(t, `nats: {listen: "`+w.nats+`"}`)}
	s.start(t)
	nc, err := nats.Connect("nats://" + w.nats)
	require.NoError(t, err)
	defer nc.Close()
	changes, err := nc.SubscribeSync(events.TypeStatusChanged + ".github")
	require.NoError(t, err)
	require.NoError(t, nc.Flush())

	client := weather.NewClient(w.endpoint())
	defer client.Close()
	w.awaitCall(t, client)
	w.awaitStatus(t, events.StatusRunning)
	w.upstream.Accept("")
	_, err = client.Call(t.Context())
	require.Error(t, err)

	var last events.Record
	for last.Status != events.StatusUnauthenticated {
		m, err := changes.NextMsg(patience)
		require.NoError(t, err)
		e, err := events.Unmarshal(m.Header, m.Data)
		require.NoError(t, err, "%s %v %s", m.Subject, m.Header, m.Data)
		last, err = events.ParseStatus(e)
		require.NoError(t, err)
		require.Equal(t, "github", last.Workload)
	}
	require.Equal(t, events.StatusRunning, last.Previous)
}
