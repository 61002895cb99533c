package events_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		"empty":                   ``,
		"not JSON":                `{"specversion":"1.0"`,
		"two values":              good + good,
		"an array":                `[` + good + `]`,
		"another specversion":     strings.Replace(good, `"1.0"`, `"0.3"`, 1),
		"no id":                   strings.Replace(good, `"id":"1",`, ``, 1),
		"no time":                 strings.Replace(good, `"time":"2026-01-01T00:00:00Z",`, ``, 1),
		"no subject":              strings.Replace(good, `"subject":"a",`, ``, 1),
		"subject is no workload":  strings.Replace(good, `"subject":"a"`, `"subject":"a.b"`, 1),
		"control character in id": strings.Replace(good, `"id":"1"`, `"id":"1\u0000"`, 1),
		"newline in source":       strings.Replace(good, `urn:x`, `urn:x\n`, 1),
		"id too long":             strings.Replace(good, `"id":"1"`, `"id":"`+strings.Repeat("1", 300)+`"`, 1),
		"an attribute twice":      strings.Replace(good, `"id":"1"`, `"id":"1","id":"2"`, 1),
		"a data member twice":     strings.Replace(good, `{"workload":"a"}`, `{"workload":"a","workload":"b"}`, 1),
		"an escaped member twice": strings.Replace(good, `{"workload":"a"}`, `{"workload":"a","a":[1,{"x":-1.5e+3,"\u0078":true}]}`, 1),
		"many members, one twice": strings.Replace(good, `{"workload":"a"}`, `{`+many+`"workload":"a","m20":0}`, 1),
		"data in both forms":      strings.Replace(good, `"data":`, `"data_base64":"e30=","data":`, 1),
		"data is not JSON":        strings.Replace(good, `application/json`, `text/plain`, 1),
	} {
		_, err := events.Unmarshal(nil, []byte(body))
		require.ErrorIs(t, err, events.ErrInvalid, name)
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

	header["CE-id"] = []string{"2"}
	_, err = events.Unmarshal(header, []byte(`{"workload":"a"}`))
	require.ErrorIs(t, err, events.ErrInvalid, "the same attribute in two cases")
	delete(header, "CE-id")
	header["ce-id"] = []string{"%zz"}
	_, err = events.Unmarshal(header, []byte(`{"workload":"a"}`))
	require.ErrorIs(t, err, events.ErrInvalid, "not percent-encoded")
}

func TestDataAboutAnotherWorkloadThanTheSubjectIsRefused(t *testing.T) {
	t.Parallel()
	e, err := events.Unmarshal(nil, []byte(strings.Replace(good, `{"workload":"a"}`, `{"workload":"b"}`, 1)))
	require.NoError(t, err)
	_, err = events.ParseObservation(e)
	require.ErrorIs(t, err, events.ErrInvalid)
}

func TestCleanTextKeepsTextAndNothingElse(t *testing.T) {
	t.Parallel()
	require.Equal(t, "token expired", events.CleanText("\ttoken\r\n  expired\u2028", 100))
	require.Equal(t, "a b", events.CleanText("a\x00\x1b\nb", 100))
	require.Equal(t, "naïve", events.CleanText("na\u202eïve", 100))
	require.Equal(t, "abc", events.CleanText("abcdef", 3))
	require.Equal(t, "\uFFFD", events.CleanText("\xff\xfe", 10))
	require.Equal(t, "", events.CleanText("\n\t", 10))
}

func FuzzUnmarshal(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.json"))
	require.NoError(f, err)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add("application/cloudevents+json", "", body)
	}
	f.Add("application/json", "1.0", []byte(`{"workload":"a"}`))
	f.Fuzz(func(t *testing.T, contentType, specversion string, body []byte) {
		header := map[string][]string{
			"content-type": {contentType}, "Ce-Id": {"1"}, "ce-type": {"auth.loaded"}, "ce-source": {"urn:x"},
			"ce-subject": {"a"}, "ce-time": {"2026-01-01T00:00:00Z"},
		}
		if specversion != "" {
			header["ce-specversion"] = []string{specversion}
		}
		e, err := events.Unmarshal(header, body)
		if err != nil {
			return
		}
		// What was accepted can be sent on, unless escaping makes it too large.
		m, err := events.Marshal(e)
		if err != nil {
			require.ErrorIs(t, err, events.ErrTooLarge)
			return
		}
		again, err := events.Unmarshal(m.Header, m.Data)
		require.NoError(t, err)
		require.Equal(t, e.ID(), again.ID())
	})
}

func BenchmarkMarshal(b *testing.B) {
	e, err := events.Unmarshal(nil, []byte(good))
	require.NoError(b, err)
	for b.Loop() {
		_, _ = events.Marshal(e)
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	body, err := os.ReadFile(filepath.Join("testdata", "golden", "status.changed.v1.json"))
	require.NoError(b, err)
	for b.Loop() {
		_, _ = events.Unmarshal(nil, body)
	}
}
