//go:build stack

package stack

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/status"
)

// truth is what the streams hold, read by the user for subscribers.
type truth struct {
	observations []*nats.Msg // of AUTH
	records      []*nats.Msg // of STATUS
	created      time.Time   // of AUTH
}

func (c *cluster) truth() truth {
	c.t.Helper()
	nc, err := nats.Connect(c.urls(), nats.UserInfo("subscriber", c.secret("subscriber")))
	require.NoError(c.t, err)
	defer nc.Close()
	var tr truth
	tr.observations, err = replay(nc, "AUTH", "auth.>")
	require.NoError(c.t, err)
	tr.records, err = replay(nc, "STATUS", "status.changed.*")
	require.NoError(c.t, err)
	m, err := nc.Request("$JS.API.STREAM.INFO.AUTH", nil, 5*time.Second)
	require.NoError(c.t, err)
	var info struct{ Created time.Time }
	require.NoError(c.t, json.Unmarshal(m.Data, &info))
	tr.created = info.Created
	return tr
}

// stored looks that each id is in AUTH once, and nothing else is there twice.
func (tr truth) stored(t *testing.T, ids []string) {
	t.Helper()
	count := map[string]int{}
	for _, m := range tr.observations {
		e, err := events.Unmarshal(m.Header, m.Data)
		require.NoError(t, err)
		count[e.ID()]++
		require.Equal(t, 1, count[e.ID()], "%s is stored twice", e.ID())
	}
	for _, id := range ids {
		require.Equal(t, 1, count[id], "%s was acknowledged and is gone", id)
	}
	t.Logf("AUTH: %d observations, the %d acknowledged ones of the load among them", len(tr.observations), len(ids))
}

// folded are the records that follow from the observations.
func (tr truth) folded(t *testing.T) map[string]events.Record {
	t.Helper()
	records := map[string]events.Record{}
	for _, m := range tr.observations {
		e, err := events.Unmarshal(m.Header, m.Data)
		require.NoError(t, err)
		data, err := events.ParseObservation(e)
		require.NoError(t, err)
		sequence, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
		require.NoError(t, err)
		at, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
		require.NoError(t, err)
		r := records[e.Subject()]
		r.Workload = e.Subject()
		records[e.Subject()], _ = status.Apply(r, status.Observation{
			Type: e.Type(), ID: e.ID(), Source: e.Source(), Time: e.Time(), Data: data, Stored: at.UTC(),
			Position: events.Position{Sequence: sequence, Stream: tr.created.UTC()},
		})
	}
	return records
}

// recordsAreTrue looks that both status services say what follows from AUTH.
func (c *cluster) recordsAreTrue(tr truth) {
	c.t.Helper()
	want := tr.folded(c.t)
	for _, address := range []string{c.status, c.status2} {
		var wrong string
		require.Eventually(c.t, func() bool {
			wrong = ""
			all := get[struct{ Workloads []events.Record }](c.t, "http://"+address+"/api/v1/workloads")
			have := map[string]events.Record{}
			for _, r := range all.Workloads {
				have[r.Workload] = r
			}
			for name, r := range want {
				if w, h := text(c.t, r), text(c.t, have[name]); w != h {
					wrong = fmt.Sprintf("%s\n%s", w, h)
				}
			}
			return wrong == "" && len(have) == len(want)
		}, time.Minute, 200*time.Millisecond, "records of %s", address)
		require.Empty(c.t, wrong, address)
	}
	c.t.Logf("records: %d workloads, both status services say what follows from AUTH", len(want))
}

// text is a record as it is read back.
func text(t *testing.T, r events.Record) string {
	t.Helper()
	data, err := json.Marshal(r)
	require.NoError(t, err)
	return string(data)
}

// said is what one receiver was told of one incident: the ids of its messages by
// type.
type said map[string]map[string]bool

// incidents are those of the records, by id.
func (tr truth) incidents(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range tr.records {
		e, err := events.Unmarshal(m.Header, m.Data)
		require.NoError(t, err)
		r, err := events.ParseStatus(e)
		require.NoError(t, err)
		if r.Incident != "" {
			found[r.Incident] = r.Workload
		}
	}
	return found
}

// eachIsToldOnce waits until each receiver was told that each incident is over, and
// looks that nothing was told twice: the same message again has the same id. Of an
// incident that was short, or began without a leader, only the end is told.
func (c *cluster) eachIsToldOnce(tr truth) {
	c.t.Helper()
	incidents := tr.incidents(c.t)
	var missing []string
	var calls, digests int
	require.Eventually(c.t, func() bool {
		missing, digests = nil, 0
		byReceiver, n := c.heard()
		calls = n
		for _, receiver := range []string{"ops", "second"} {
			for incident, workload := range incidents {
				s := byReceiver[receiver][incident]
				for typ, ids := range s {
					require.Len(c.t, ids, 1, "%s: %s of %s", receiver, typ, workload)
				}
				resolved, digest := len(s[events.TypeAlertResolved]), len(s[events.TypeAlertDigest])
				require.LessOrEqual(c.t, resolved+digest, 1, "%s: the end of an incident of %s, told twice", receiver, workload)
				if resolved+digest != 1 {
					missing = append(missing, receiver+" "+workload+" "+incident)
				}
				digests += digest
			}
			require.LessOrEqual(c.t, len(byReceiver[receiver]), len(incidents), "%s was told of incidents that there are not", receiver)
		}
		return len(missing) == 0
	}, 3*time.Minute, 500*time.Millisecond, "not told: %v", &missing)
	c.t.Logf("receivers: %d incidents told to each of 2, in %d calls, %d digests", len(incidents), calls, digests)
}

// heard is what the webhook heard, by receiver and incident, and how often it was
// called.
func (c *cluster) heard() (map[string]map[string]said, int) {
	c.t.Helper()
	all := get[[]alert](c.t, "http://"+c.demo+"/messages")
	by := map[string]map[string]said{}
	for _, a := range all {
		for _, r := range a.Body.Data.Workloads {
			incident := r.Incident
			if incident == "" && r.LastIncident != nil {
				incident = r.LastIncident.ID
			}
			receiver := a.Body.Data.Receiver
			if by[receiver] == nil {
				by[receiver] = map[string]said{}
			}
			if by[receiver][incident] == nil {
				by[receiver][incident] = said{}
			}
			if by[receiver][incident][a.Body.Type] == nil {
				by[receiver][incident][a.Body.Type] = map[string]bool{}
			}
			by[receiver][incident][a.Body.Type][a.ID] = true
		}
	}
	return by, len(all)
}

// outboxesAreEmpty waits until the bus has acknowledged everything that the
// proxies saw.
func (c *cluster) outboxesAreEmpty() {
	c.t.Helper()
	for _, proxy := range []string{"proxy", "proxy2"} {
		id := c.id("nats")
		require.Eventually(c.t, func() bool {
			metrics := docker(c.t, "exec", id, "wget", "-q", "-O", "-", "http://"+proxy+":9080/metrics")
			return strings.Contains(metrics, "\nauthwatch_proxy_outbox_events 0\n")
		}, time.Minute, time.Second, "%s holds events", proxy)
	}
}

// isRight is everything that has to hold in the end.
func (c *cluster) isRight(l *load, stop func()) {
	c.t.Helper()
	stop()
	c.outboxesAreEmpty()
	tr := c.truth()
	tr.stored(c.t, l.acknowledged())
	c.recordsAreTrue(tr)
	c.eachIsToldOnce(tr)
}
