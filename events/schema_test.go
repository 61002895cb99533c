package events_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func compiler(t *testing.T) *jsonschema.Compiler {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	files, err := fs.Glob(events.Schemas(), "*.json")
	require.NoError(t, err)
	for _, name := range files {
		body, err := fs.ReadFile(events.Schemas(), name)
		require.NoError(t, err)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		require.NoError(t, err, name)
		id := "urn:authwatch:" + strings.TrimSuffix(name, ".v1.json") + ":v1"
		require.Equal(t, id, doc.(map[string]any)["$id"], name)
		require.NoError(t, c.AddResource(id, doc))
	}
	return c
}

func TestTheDataOfEveryGoldenFileIsValidAgainstTheSchemaItNames(t *testing.T) {
	t.Parallel()
	c := compiler(t)
	for _, typ := range events.Types() {
		body, err := os.ReadFile(filepath.Join("testdata", "golden", typ+".v1.json"))
		require.NoError(t, err)
		e, err := events.Unmarshal(nil, body)
		require.NoError(t, err)
		schema, err := c.Compile(e.DataSchema())
		require.NoError(t, err)
		data, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Data()))
		require.NoError(t, err)
		require.NoError(t, schema.Validate(data), typ)

		data.(map[string]any)["a_field_of_a_later_version"] = true
		require.NoError(t, schema.Validate(data), "unknown fields are allowed")
	}
}

func TestSchemasRefuseWhatReadersCouldNotUse(t *testing.T) {
	t.Parallel()
	c := compiler(t)
	for name, sample := range map[string]struct{ typ, data string }{
		"no workload":            {events.TypeLoaded, `{"credential":{"fingerprint":"3f9a1c0b7d22","loaded_at":"2026-01-01T00:00:00Z"}}`},
		"workload is no label":   {events.TypeLoaded, `{"workload":"a.b","credential":{"fingerprint":"3f9a1c0b7d22","loaded_at":"2026-01-01T00:00:00Z"}}`},
		"no fingerprint":         {events.TypeLoaded, `{"workload":"a","credential":{"loaded_at":"2026-01-01T00:00:00Z"}}`},
		"a token as fingerprint": {events.TypeLoaded, `{"workload":"a","credential":{"fingerprint":"ghp_secret","loaded_at":"2026-01-01T00:00:00Z"}}`},
		"no response":            {events.TypeUnauthorized, `{"workload":"a","credential":{"fingerprint":"3f9a1c0b7d22"},"request":{},"rejections":1,"first_seen":"2026-01-01T00:00:00Z"}`},
		"no problem":             {events.TypeMissing, `{"workload":"a","credential":{"source":"file /a"}}`},
		"no status":              {events.TypeStatusChanged, `{"workload":"a","since":"2026-01-01T00:00:00Z"}`},
		"since is no time":       {events.TypeStatusChanged, `{"workload":"a","status":"running","since":"yesterday"}`},
		"failed without error":   {events.TypeAlertFailed, `{"receiver":"a","delivery_id":"1","kind":"opened","attempts":1,"duration_ms":1}`},
		"acknowledged by nobody": {events.TypeAcknowledged, `{"workload":"a"}`},
		"silence without end":    {events.TypeAlertSilenced, `{"id":"1","match":{},"from":"2026-01-01T00:00:00Z"}`},
		"kind of another type":   {events.TypeAlertOpened, `{"kind":"resolved","receiver":"a","title":"","text":"","workloads":[]}`},
	} {
		schema, err := c.Compile(events.SchemaURI(sample.typ))
		require.NoError(t, err)
		data, err := jsonschema.UnmarshalJSON(strings.NewReader(sample.data))
		require.NoError(t, err)
		require.Error(t, schema.Validate(data), name)
	}
}

func TestAReaderToleratesStatusesFieldsAndTypesItDoesNotKnow(t *testing.T) {
	t.Parallel()
	e, err := events.Unmarshal(nil, []byte(`{"specversion":"1.0","id":"1","source":"urn:x","type":"status.changed","subject":"a","time":"2026-01-01T00:00:00Z","datacontenttype":"application/json","newext":"1","data":{"workload":"a","status":"quarantined","since":"2026-01-01T00:00:00Z","new":{"x":[1]}}}`))
	require.NoError(t, err)
	r, err := events.ParseStatus(e)
	require.NoError(t, err)
	require.Equal(t, events.Status("quarantined"), r.Status)
	require.False(t, r.Status.Bad())

	_, err = events.Unmarshal(nil, []byte(`{"specversion":"1.0","id":"1","source":"urn:x","type":"auth.revoked","subject":"a","time":"2026-01-01T00:00:00Z","datacontenttype":"application/json","data":{"workload":"a"}}`))
	require.NoError(t, err)
}
