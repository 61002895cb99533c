package events_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

const good = `{"specversion":"1.0","id":"1","source":"urn:x","type":"auth.loaded","subject":"a","time":"2026-01-01T00:00:00Z","datacontenttype":"application/json","data":{"workload":"a"}}`

func TestStructuredModeIsStricterThanTheSDK(t *testing.T) {
	t.Parallel()
	_, err := events.Unmarshal(nil, []byte(good))
	require.NoError(t, err)
	var many string
	for i := range 40 {
		many += fmt.Sprintf(`"m%d":{"a":[]},`, i)
	}
	_, err = events.Unmarshal(nil, []byte(strings.Replace(good, `{"workload":"a"}`, `{`+many+`"workload":"a"}`, 1)))
	require.NoError(t, err)
	for name, body := range map[string]string{
		"empty":                    ``,
		"not JSON":                 `{"specversion":"1.0"`,
		"two values":               good + good,
		"an array":                 `[` + good + `]`,
		"another specversion":      strings.Replace(good, `"1.0"`, `"0.3"`, 1),
		"no id":                    strings.Replace(good, `"id":"1",`, ``, 1),
		"no time":                  strings.Replace(good, `"time":"2026-01-01T00:00:00Z",`, ``, 1),
		"no subject":               strings.Replace(good, `"subject":"a",`, ``, 1),
		"subject is no workload":   strings.Replace(good, `"subject":"a"`, `"subject":"a.b"`, 1),
		"control character in id":  strings.Replace(good, `"id":"1"`, `"id":"1\u0000"`, 1),
		"newline in source":        strings.Replace(good, `urn:x`, `urn:x\n`, 1),
		"id too long":              strings.Replace(good, `"id":"1"`, `"id":"`+strings.Repeat("1", 300)+`"`, 1),
		"an attribute twice":       strings.Replace(good, `"id":"1"`, `"id":"1","id":"2"`, 1),
		"a data member twice":      strings.Replace(good, `{"workload":"a"}`, `{"workload":"a","workload":"b"}`, 1),
		"an escaped member twice":  strings.Replace(good, `{"workload":"a"}`, `{"workload":"a","a":[1,{"x":-1.5e+3,"\u0078":true}]}`, 1),
		"many members, one twice":  strings.Replace(good, `{"workload":"a"}`, `{`+many+`"workload":"a","m20":0}`, 1),
		"data in both forms":       strings.Replace(good, `"data":`, `"data_base64":"e30=","data":`, 1),
		"an empty member name":     strings.Replace(good, `{"workload":"a"}}`, `{"workload":"a"},"":0,"traceparent":1}`, 1),
		"an attribute in capitals": strings.Replace(good, `"id":"1"`, `"id":"1","ID":"2"`, 1),
		"newline in an extension":  strings.Replace(good, `"id":"1"`, `"id":"1","x":"a\nb"`, 1),
		"no data":                  strings.Replace(good, `,"data":{"workload":"a"}`, ``, 1),
		"base64 that is not JSON":  strings.Replace(good, `"data":{"workload":"a"}`, `"data_base64":"AAAA"`, 1),
		"base64, a member twice":   strings.Replace(good, `"data":{"workload":"a"}`, `"data_base64":"eyJhIjoxLCJhIjoyfQ=="`, 1),
		"not base64":               strings.Replace(good, `"data":{"workload":"a"}`, `"data_base64":"%"`, 1),
		"data is not JSON":         strings.Replace(good, `application/json`, `text/plain`, 1),
	} {
		_, err := events.Unmarshal(nil, []byte(body))
		require.ErrorIs(t, err, events.ErrInvalid, name)
	}
	for name, body := range map[string]string{
		"data in base64":             strings.Replace(good, `"data":{"workload":"a"}`, `"data_base64":"eyJ3b3JrbG9hZCI6ImEifQ=="`, 1),
		"no datacontenttype":         strings.Replace(good, `"datacontenttype":"application/json",`, ``, 1),
		"a charset":                  strings.Replace(good, `application/json`, `application/json; charset=utf-8`, 1),
		"data before the attributes": strings.Replace(strings.Replace(good, `,"data":{"workload":"a"}`, ``, 1), `{`, `{"data":{"workload":"a"},`, 1),
	} {
		e, err := events.Unmarshal(nil, []byte(body))
		require.NoError(t, err, name)
		o, err := events.ParseObservation(e)
		require.NoError(t, err, name)
		require.Equal(t, events.Observation{Workload: "a"}, o, name)
		m, err := events.Marshal(e)
		require.NoError(t, err, name)
		_, err = events.Unmarshal(m.Header, m.Data)
		require.NoError(t, err, name)
	}
	_, err = events.Unmarshal(nil, []byte(strings.Replace(good, `"a"}`, `"`+strings.Repeat("a", events.MaxSize)+`"}`, 1)))
	require.ErrorIs(t, err, events.ErrTooLarge)
}

func TestBinaryModeTakesAttributesInAnyCaseAndDecodesThem(t *testing.T) {
	t.Parallel()
	header := map[string][]string{
		"Ce-Specversion": {"1.0"}, "ce-id": {"a%20b%E2%82%AC"}, "CE-SOURCE": {"urn:x"}, "ce-type": {"auth.loaded"},
		"ce-subject": {"a"}, "ce-time": {"2026-01-01T00:00:00Z"}, "ce-datacontenttype": {"application/json"},
	}
	e, err := events.Unmarshal(header, []byte(`{"workload":"a"}`))
	require.NoError(t, err)
	require.Equal(t, "a b€", e.ID())
	o, err := events.ParseObservation(e)
	require.NoError(t, err)
	require.Equal(t, "a", o.Workload)

	for name, wrong := range map[string]struct{ header, value, body string }{
		"the same attribute in two cases": {"CE-id", "2", `{"workload":"a"}`},
		"not percent-encoded":             {"ce-id", "%zz", `{"workload":"a"}`},
		"a control character":             {"ce-id", "%00", `{"workload":"a"}`},
		"data among the attributes":       {"ce-data", "1", `{"workload":"a"}`},
		"no name":                         {"ce-", "1", `{"workload":"a"}`},
		"another specversion":             {"Ce-Specversion", "0.3", `{"workload":"a"}`},
		"data is not JSON":                {"ce-id", "1", `{`},
		"no data":                         {"ce-id", "1", ``},
		"a member twice":                  {"ce-id", "1", `{"workload":"a","workload":"a"}`},
	} {
		h := maps.Clone(header)
		h[wrong.header] = []string{wrong.value}
		_, err = events.Unmarshal(h, []byte(wrong.body))
		require.ErrorIs(t, err, events.ErrInvalid, name)
	}
}

func TestAMessageThatIsNeitherModeIsRefused(t *testing.T) {
	t.Parallel()
	for name, contentType := range map[string]string{"no headers": "", "a batch": "application/cloudevents-batch+json"} {
		_, err := events.Unmarshal(map[string][]string{"content-type": {contentType}}, []byte(`{"workload":"a"}`))
		require.ErrorIs(t, err, events.ErrInvalid, name)
	}
}

func TestAnEventThatCouldNotBePublishedIsNotEncoded(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"auth.>", "other.a b", "Alert.opened", "other..x", "auth.*"} {
		e, err := events.New(events.TypeLoaded, "urn:x", "a", at("2026-01-01T00:00:00Z"), events.Observation{Workload: "a"})
		require.NoError(t, err)
		e.SetType(typ)
		_, err = events.Marshal(e)
		require.ErrorIs(t, err, events.ErrInvalid, typ)
	}
	_, err := events.New(events.TypeAlertDelivered, "urn:x", "a.b", at("2026-01-01T00:00:00Z"), events.Receipt{})
	require.ErrorIs(t, err, events.ErrWorkload)
	_, err = events.New(events.TypeLoaded, "urn:x", "", at("2026-01-01T00:00:00Z"), events.Observation{})
	require.ErrorIs(t, err, events.ErrWorkload)
	big, err := events.New(events.TypeLoaded, "urn:x", "a", at("2026-01-01T00:00:00Z"), events.Observation{Workload: "a", Detail: strings.Repeat("a", events.MaxSize)})
	require.NoError(t, err)
	_, err = events.Marshal(big)
	require.ErrorIs(t, err, events.ErrTooLarge)
}

func TestAnEventAboutNoSingleWorkloadHasItsTypeAsSubject(t *testing.T) {
	t.Parallel()
	e, err := events.New(events.TypeAlertDigest, "urn:x", "", at("2026-01-01T00:00:00Z"), events.Alert{Kind: events.KindDigest})
	require.NoError(t, err)
	m, err := events.Marshal(e)
	require.NoError(t, err)
	require.Equal(t, "alert.digest", m.Subject)
	require.Contains(t, string(m.Data), `"workloads":[]`)
}

func TestDataThatContradictsItsEnvelopeIsRefused(t *testing.T) {
	t.Parallel()
	observation := func(e event.Event) error { _, err := events.ParseObservation(e); return err }
	status := func(e event.Event) error { _, err := events.ParseStatus(e); return err }
	receipt := func(e event.Event) error { _, err := events.ParseReceipt(e); return err }
	webhook := func(e event.Event) error { _, err := events.ParseAlert(e); return err }
	for name, c := range map[string]struct {
		typ, data string
		parse     func(event.Event) error
	}{
		"an observation of another workload": {events.TypeLoaded, `{"workload":"b"}`, observation},
		"no object":                          {events.TypeLoaded, `null`, observation},
		"a field of another kind":            {events.TypeLoaded, `{"workload":"a","rejections":"3"}`, observation},
		"a status as an observation":         {events.TypeStatusChanged, `{"workload":"a","status":"running"}`, observation},
		"a record of another workload":       {events.TypeStatusChanged, `{"workload":"b","status":"running"}`, status},
		"a record without a status":          {events.TypeStatusUpdated, `{"workload":"a"}`, status},
		"a receipt of nobody":                {events.TypeAlertFailed, `{}`, receipt},
		"an alert as a receipt":              {events.TypeAlertOpened, `{"kind":"opened","receiver":"a"}`, receipt},
		"an alert of another kind":           {events.TypeAlertOpened, `{"kind":"resolved"}`, webhook},
	} {
		body := strings.NewReplacer("auth.loaded", c.typ, `{"workload":"a"}`, c.data).Replace(good)
		e, err := events.Unmarshal(nil, []byte(body))
		require.NoError(t, err, name)
		require.ErrorIs(t, c.parse(e), events.ErrInvalid, name)
	}
}

func TestCleanTextKeepsTextAndNothingElse(t *testing.T) {
	t.Parallel()
	require.Equal(t, "token expired", events.CleanText("\ttoken\r\n  expired\u2028", 100))
	require.Equal(t, "a b", events.CleanText("a\x00\x1b\nb", 100))
	require.Equal(t, "naïve", events.CleanText("naïve", 100))
	require.Equal(t, "na ïve", events.CleanText("na\u202eïve", 100), "halves stay apart")
	require.Equal(t, "sec ret", events.CleanText("sec\u200b\u2066ret", 100), "halves stay apart")
	require.Equal(t, "abc", events.CleanText("abcdef", 3))
	require.Equal(t, "ab", events.CleanText("ab c", 3), "no space at the end")
	require.Equal(t, "日本", events.CleanText("日本語", 2), "runes, not bytes")
	require.Empty(t, events.CleanText("abc", 0))
	require.Equal(t, "\uFFFD", events.CleanText("\xff\xfe", 10))
	require.Empty(t, events.CleanText("\n\t", 10))
}

func FuzzUnmarshalStructured(f *testing.F) {
	for typ := range samples() {
		body, err := os.ReadFile(golden(typ))
		require.NoError(f, err)
		f.Add(body)
	}
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, `"data":{"workload":"a"}`, `"data_base64":"eyJ3b3JrbG9hZCI6ImEifQ=="`, 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		staysTheSame(t, map[string][]string{"Content-Type": {"application/cloudevents+json"}}, body)
	})
}

func FuzzUnmarshalBinary(f *testing.F) {
	f.Add("1.0", "a%20b", "auth.loaded", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", []byte(`{"workload":"a"}`))
	f.Add("1.0", "1", "status.changed", "dataschema", "urn:x", []byte(`{"workload":"a","status":"running"}`))
	f.Add("1.0", "1", "other", "datacontenttype", "text/plain", []byte(`1e9`))
	f.Add("0.3", "%", "", "data", "\x00", []byte{0xff})
	f.Fuzz(func(t *testing.T, version, id, typ, name, value string, body []byte) {
		staysTheSame(t, map[string][]string{
			"Ce-Specversion": {version}, "ce-id": {id}, "ce-type": {typ}, "ce-source": {"urn:x"},
			"ce-subject": {"a"}, "ce-time": {"2026-01-01T00:00:00Z"}, "ce-" + name: {value},
		}, body)
	})
}

// staysTheSame: what was accepted can be sent on and is read as the same event,
// unless it cannot be published or grows too large.
func staysTheSame(t *testing.T, header map[string][]string, body []byte) {
	t.Helper()
	e, err := events.Unmarshal(header, body)
	if err != nil {
		if !errors.Is(err, events.ErrInvalid) {
			require.ErrorIs(t, err, events.ErrTooLarge)
		}
		return
	}
	_, _ = events.ParseObservation(e)
	_, _ = events.ParseStatus(e)
	_, _ = events.ParseReceipt(e)
	_, _ = events.ParseAlert(e)
	m, err := events.Marshal(e)
	if errors.Is(err, events.ErrTooLarge) || err != nil && strings.Contains(err.Error(), "cannot be published to") {
		return
	}
	require.NoError(t, err)
	again, err := events.Unmarshal(m.Header, m.Data)
	require.NoError(t, err)
	require.Equal(t, e.Context.String(), again.Context.String())
	require.JSONEq(t, string(e.Data()), string(again.Data()))
}

func BenchmarkMarshal(b *testing.B) {
	for _, typ := range []string{events.TypeUnauthorized, events.TypeStatusChanged} {
		e := sample(b, typ)
		b.Run(typ, func(b *testing.B) {
			for b.Loop() {
				_, _ = events.Marshal(e)
			}
		})
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	for _, typ := range []string{events.TypeUnauthorized, events.TypeStatusChanged} {
		m, err := events.Marshal(sample(b, typ))
		require.NoError(b, err)
		b.Run(typ, func(b *testing.B) {
			b.SetBytes(int64(len(m.Data)))
			for b.Loop() {
				_, _ = events.Unmarshal(m.Header, m.Data)
			}
		})
	}
}
