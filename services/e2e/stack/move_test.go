//go:build stack

package stack

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

// The way of docs/cluster.md: what the tools of NATS do with a backup is a few
// requests.
func TestASingleServerBecomesACluster(t *testing.T) { //nolint:paralleltest // all use one engine, and its images
	p := newProject(t, demoVariables(t)...)
	p.up(append(services, "demo")...)
	p.calls(http.StatusOK)
	p.incident(func() {})
	p.incidents++
	p.tell("revoke")
	p.calls(http.StatusServiceUnavailable)
	p.awaitTold(events.TypeAlertOpened, 2)

	for _, service := range []string{"proxy", "status", "notifier"} {
		docker(t, "stop", p.id(service))
	}
	admin := login(t, "nats://"+p.nats, "admin", p.do("run", "--rm", "setup", "show", "admin"))
	var backups []backup
	for _, name := range streamNames {
		backups = append(backups, admin.backUp(t, name))
	}
	admin.Close()

	p.environ = append(p.environ, "COMPOSE_FILE="+clusterFiles)
	p.do("up", "--detach", "nats", "nats2", "nats3")
	p.healthy(brokers...)
	admin = login(t, "nats://"+p.nats, "admin", p.do("run", "--rm", "setup", "show", "admin"))
	for _, b := range backups {
		admin.restore(t, b)
	}
	p.up(append(clustered, "demo")...)

	require.Equal(t, events.StatusUnauthenticated, p.record().Status)
	p.tell("issue")
	p.calls(http.StatusOK)
	p.awaitTold(events.TypeAlertResolved, 2)
	p.toldOnce(2)
	require.Equal(t, 2, p.deaths(), "the history came along, and was not gone through again")
}

// backup is a stream.
type backup struct {
	stream string
	Config json.RawMessage `json:"config"`
	State  json.RawMessage `json:"state"`
	chunks [][]byte
}

func (s *session) ask(t *testing.T, subject string, body, answer any) {
	t.Helper()
	data, err := json.Marshal(body)
	require.NoError(t, err)
	m, err := s.Request(subject, data, 10*time.Second)
	require.NoError(t, err, subject)
	var failed struct {
		Error json.RawMessage `json:"error"`
	}
	require.NoError(t, json.Unmarshal(m.Data, &failed))
	require.Empty(t, string(failed.Error), subject)
	require.NoError(t, json.Unmarshal(m.Data, answer))
}

// backUp reads chunks until an empty one, and acknowledges where it is asked to.
func (s *session) backUp(t *testing.T, stream string) backup {
	t.Helper()
	b := backup{stream: stream}
	inbox := s.NewRespInbox()
	chunks, err := s.SubscribeSync(inbox)
	require.NoError(t, err)
	s.ask(t, "$JS.API.STREAM.SNAPSHOT."+stream, map[string]any{"deliver_subject": inbox, "chunk_size": 1024}, &b)
	for {
		m, err := chunks.NextMsg(10 * time.Second)
		require.NoError(t, err, stream)
		if len(m.Data) == 0 {
			require.NoError(t, s.Flush())
			require.NoError(t, s.LastError())
			return b
		}
		b.chunks = append(b.chunks, m.Data)
		if m.Reply != "" {
			require.NoError(t, m.Respond(nil))
		}
	}
}

func (s *session) restore(t *testing.T, b backup) {
	t.Helper()
	var to struct {
		Subject string `json:"deliver_subject"`
	}
	s.ask(t, "$JS.API.STREAM.RESTORE."+b.stream, b, &to)
	var last *nats.Msg
	for _, chunk := range append(b.chunks, nil) {
		var err error
		require.Eventually(t, func() bool {
			last, err = s.Request(to.Subject, chunk, 20*time.Second)
			return !errors.Is(err, nats.ErrNoResponders) // the broker that restores is another one, and was not heard of yet
		}, time.Minute, 10*time.Millisecond, b.stream)
		require.NoError(t, err, b.stream)
	}
	require.NotContains(t, string(last.Data), `"error"`, b.stream)
}
