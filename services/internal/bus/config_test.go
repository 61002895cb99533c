package bus_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
)

func TestTheNATSSectionIsCheckedBeforeAnythingConnects(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{url: "nats://a:4222,tls://b:4222", user: proxy, password_file: /x, listen: 127.0.0.1:4222, users: [{name: a}]}`: "",
		`{listen: 127.0.0.1:4222}`:                                `a.yaml:1: nats.url: is required: this binary embeds no server; write "nats://host:4222", or use authwatch run`,
		`{url: "localhost:4222"}`:                                 `a.yaml:1: nats.url: not the address of a NATS server; write "nats://host:4222", several with commas between`,
		`{url: "nats://a, http://u:hunter2@b"}`:                   `a.yaml:1: nats.url: not the address of a NATS server; write "nats://host:4222", several with commas between`,
		`{url: nats://a, user: b, password: c, password_file: d}`: "a.yaml:1: nats.password: given both as a value and as password_file; keep one",
		`{url: nats://a, password: c}`:                            "a.yaml:1: nats.user: is required with a password",
		`{url: nats://a, user: b, credentials_file: c}`:           "a.yaml:1: nats.credentials_file: logs in by itself; remove user and password, or credentials_file",
		`{url: nats://a, tls: {cert_file: b}}`:                    "a.yaml:1: nats.tls: cert_file and key_file belong together; give both or none",
	} {
		var file struct {
			NATS bus.Remote `yaml:"nats"`
		}
		doc, err := config.Parse("a.yaml", []byte("nats: "+text), &file)
		require.NoError(t, err, text)
		err = doc.Check("nats", file.NATS.Validate())
		if want == "" {
			require.NoError(t, err)
			require.Equal(t, "nats://a:4222,tls://b:4222", file.NATS.Options("proxy", nil, nil).URL)
			continue
		}
		require.EqualError(t, err, want)
	}
}
