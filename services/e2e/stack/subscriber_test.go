package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// A consumer that pushes has the server itself publish, to a subject of the
// user's choice. That is why a subscriber makes none.
func TestASubscriberCannotHaveTheBrokerPublishForIt(t *testing.T) {
	t.Parallel()
	url := broker(t)
	status := fill(t, url, 1)
	s := login(t, url, "subscriber", "subscriber-password")
	_, err := s.SubscribeSync("status.changed.github") // a consumer pushes only where somebody listens
	require.NoError(t, err)
	const subject = "$JS.API.CONSUMER.CREATE.AUTH.forge.auth.>"
	body, err := json.Marshal(map[string]any{"stream_name": "AUTH", "config": map[string]any{
		"name": "forge", "filter_subject": "auth.>", "deliver_subject": "status.changed.github",
		"deliver_policy": "all", "ack_policy": "none", "mem_storage": true,
	}})
	require.NoError(t, err)
	require.NoError(t, s.Publish(subject, body))
	require.NoError(t, s.Flush())
	require.ErrorContains(t, s.LastError(), `Permissions Violation for Publish to "`+subject+`"`)
	info, err := status.Info(t.Context())
	require.NoError(t, err)
	require.Zero(t, info.State.Msgs)
}

func TestASubscriberReplaysAStreamWithPlainRequests(t *testing.T) {
	t.Parallel()
	const stored = 700 // more than one answer
	url := broker(t)
	fill(t, url, stored)
	s := login(t, url, "subscriber", "subscriber-password")
	read, err := replay(s.Conn, "AUTH", "auth.>")
	require.NoError(t, err)
	require.Len(t, read, stored)
	for i, m := range read {
		require.Equal(t, fmt.Sprint(i), string(m.Data))
		require.Equal(t, "auth.unauthorized.github", m.Header.Get("Nats-Subject"))
	}
}

// fill makes the streams AUTH, with messages, and STATUS, empty.
func fill(t *testing.T, url string, messages int) (status jetstream.Stream) {
	t.Helper()
	js, err := jetstream.New(login(t, url, "admin", "admin-password").Conn)
	require.NoError(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "AUTH", Subjects: []string{"auth.>"}, AllowDirect: true})
	require.NoError(t, err)
	status, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "STATUS", Subjects: []string{"status.>"}, AllowDirect: true})
	require.NoError(t, err)
	proxy, err := jetstream.New(login(t, url, "proxy", "proxy-password").Conn)
	require.NoError(t, err)
	for i := range messages {
		_, err := proxy.Publish(t.Context(), "auth.unauthorized.github", fmt.Append(nil, i))
		require.NoError(t, err)
	}
	return status
}

// replay reads a stream from its beginning as docs/subscribe.md tells it for any
// language: requests for batches, each ended by a message with the status 204.
func replay(nc *nats.Conn, stream, filter string) ([]*nats.Msg, error) {
	var read []*nats.Msg
	for next := uint64(1); ; {
		inbox := nc.NewRespInbox()
		answers, err := nc.SubscribeSync(inbox)
		if err != nil {
			return nil, err
		}
		request := fmt.Appendf(nil, `{"seq":%d,"next_by_subj":%q,"batch":512}`, next, filter)
		if err := nc.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, request); err != nil {
			return nil, err
		}
		for {
			m, err := answers.NextMsg(5 * time.Second)
			if err != nil {
				return nil, err
			}
			switch status := m.Header.Get("Status"); status {
			case "":
				read = append(read, m)
				continue
			case "204", "404": // the end of the batch; nothing (more) on the filter
			default:
				return nil, errors.New(status + " " + m.Header.Get("Description"))
			}
			if err := answers.Unsubscribe(); err != nil {
				return nil, err
			}
			if pending := m.Header.Get("Nats-Num-Pending"); pending == "" || pending == "0" {
				return read, nil
			}
			break
		}
		if _, err := fmt.Sscan(read[len(read)-1].Header.Get("Nats-Sequence"), &next); err != nil {
			return nil, err
		}
		next++
	}
}
