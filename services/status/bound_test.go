package status

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

// filled is an observation whose every text is long.
func filled(text string) events.Observation {
	challenge := &events.Challenge{Scheme: text, Error: text, ErrorDescription: text, Realm: text, Scope: text, ResourceMetadata: text}
	labels := map[string]string{}
	for i := range 40 {
		labels[fmt.Sprintf("%d%s", i, text[:min(len(text), 63)])] = text
	}
	return events.Observation{
		Labels: labels, Upstream: text, Problem: text, Detail: text, Scopes: strings.Split(text, " "),
		Credential: &events.Credential{Source: "file " + text},
		Request:    &events.Request{Method: text, Path: text, MCPMethod: text, MCPName: text},
		Response:   &events.Response{Status: 401, Challenge: challenge},
		AcceptedElsewhere: &events.Acceptance{
			Request: &events.Request{Method: text, Path: text, MCPMethod: text, MCPName: text}, At: noon,
		},
	}
}

func TestARecordCanAlwaysBeStored(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		strings.Repeat("a", 1_600), strings.Repeat("<", 1_600), strings.Repeat("日", 1_600), strings.Repeat("<b ", 1_600), "\x00\xff" + strings.Repeat("\x01", 1_600),
	} {
		h, r := newHistory(), events.Record{}
		for _, typ := range []string{
			events.TypeLoaded, events.TypeAuthorized, events.TypeForbidden, events.TypeUnauthorized,
			events.TypeAuthorized, events.TypeMissing, events.TypeLoaded, events.TypeForbidden, events.TypeUnauthorized,
			events.TypeAcknowledged,
		} {
			for i := range maxObservers + 1 {
				o := h.add(typ, "t1", func(o *Observation) {
					data := filled(text)
					if data.By, data.Note = text, text; typ == events.TypeAcknowledged {
						data.Until = &o.Time
					}
					data.Workload, data.Credential.Fingerprint = strings.Repeat("w", 63), o.fingerprint()
					o.Data = data
					o.Source = fmt.Sprintf("%02d%s", i, text[:min(len(text), 254)])
					o.ID = fmt.Sprintf("%d %s", o.Position.Sequence, text[:min(len(text), 200)])
					o.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
				})
				before := r
				after, changed := Apply(before, o)
				require.True(t, changed)
				e, err := statusEvent(before, after, o)
				require.NoError(t, err)
				m, err := events.Marshal(e)
				require.NoError(t, err)
				require.LessOrEqual(t, len(m.Data), events.MaxSize)
				r = after
			}
		}
		require.Equal(t, events.StatusUnauthenticated, r.Status)
		require.NotEmpty(t, r.Observers)
		require.NotNil(t, r.Forbidden)
		require.NotNil(t, r.Evidence)
		require.NotNil(t, r.AcceptedElsewhere)
		require.NotNil(t, r.Acknowledged)
	}
}

func TestADeathIsRecordedAfterALongRefusal(t *testing.T) {
	t.Parallel()
	h := newHistory()
	loaded := h.add(events.TypeLoaded, "t1")
	scopes := h.add(events.TypeForbidden, "t1", func(o *Observation) {
		o.Data.Scopes = []string{strings.Repeat("s", 62<<10)}
	})
	death := h.add(events.TypeUnauthorized, "t1", func(o *Observation) { o.Data.Labels = filled(strings.Repeat("l", 250)).Labels })
	r := fold(events.Record{}, loaded, scopes, death)
	e, err := statusEvent(events.Record{}, r, death)
	require.NoError(t, err)
	_, err = events.Marshal(e)
	require.NoError(t, err)
	require.Equal(t, events.StatusUnauthenticated, r.Status)
}

func TestWhatIsOfUsualLengthIsKeptWhole(t *testing.T) {
	t.Parallel()
	labels := map[string]string{}
	for i := range 32 { // the most that a proxy's configuration may have
		labels[fmt.Sprintf("%063d", i)] = strings.Repeat("v", 256)
	}
	o := filled(strings.Repeat("x", 500))
	o.Labels = labels
	o.Scopes = []string{"repo", "admin:org"}
	require.Equal(t, o, bound(o))
}

func TestACutIsMadeBetweenRunesAndByWhatIsEncoded(t *testing.T) {
	t.Parallel()
	require.Equal(t, "日", cut("日本語", 2+3+2))
	require.Equal(t, "<", cut("<<<", 2+6+5))
	require.Equal(t, "abc", cut("abc", 5))
}
