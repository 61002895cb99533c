package standalone

import (
	"fmt"
	"reflect"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/listen"
	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/notifier"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/status"
)

// Config is a whole configuration file.
type Config struct {
	NATS     NATS            `yaml:"nats"`
	DataDir  string          `yaml:"data_dir"`
	Tracing  trace.Config    `yaml:"tracing"`
	Proxy    proxy.Config    `yaml:"proxy"`
	Status   status.Config   `yaml:"status"`
	Notifier notifier.Config `yaml:"notifier"`

	doc *config.Document
}

// NATS is the nats section. With a url the bus is a server of its own; without,
// it is embedded, and listen opens it for others.
type NATS struct {
	bus.Config `yaml:",inline"`
	Listen     string `yaml:"listen"`
	Users      []User `yaml:"users"`
}

// User may log in to the embedded server from the network.
type User struct {
	Name         string        `yaml:"name"`
	Password     config.Secret `yaml:"password"` // or its bcrypt hash
	PasswordFile string        `yaml:"password_file"`
	Publish      []string      `yaml:"publish"` // subjects; both empty: everything
	Subscribe    []string      `yaml:"subscribe"`
}

// Embedded reports whether the process brings its own broker.
func (c *Config) Embedded() bool { return c.NATS.URL == "" }

// Load reads and validates a configuration file. Its errors are
// [config.Errors], all that is wrong with it.
func Load(file string) (Config, error) {
	c, err := read(file)
	if err != nil {
		return c, err
	}
	return c, c.doc.CheckAll(map[string][]config.Problem{
		"environment": outbound.CheckEnvironment(),
		"nats":        c.NATS.validate(),
		"tracing":     c.Tracing.Validate(),
		"proxy":       c.Proxy.Validate(),
		"status":      c.Status.Validate(),
		"notifier":    c.Notifier.Validate(),
	})
}

// LoadNATS is Load for a command that needs only the bus: it may not be allowed to
// read the secrets of upstreams and receivers.
func LoadNATS(file string) (Config, error) {
	c, err := read(file)
	if err != nil {
		return c, err
	}
	return c, c.doc.Check("nats", c.NATS.validate())
}

func read(file string) (Config, error) {
	c := Config{
		DataDir:  "./data",
		Proxy:    proxy.Config{AdminListen: "127.0.0.1:9080"},
		Status:   status.Config{AdminListen: "127.0.0.1:9081"},
		Notifier: notifier.Config{AdminListen: "127.0.0.1:9082"},
	}
	var err error
	c.doc, err = config.Load(file, &c)
	return c, err
}

func (n *NATS) validate() []config.Problem {
	problems := n.Validate()
	fail := func(path, text string) { problems = append(problems, config.Problem{Path: path, Text: text}) }
	switch {
	case n.URL != "" && n.Listen != "":
		fail("listen", "opens the embedded server, and url names another one; keep one of them")
	case n.URL == "" && (n.User != "" || n.CredentialsFile != "" || n.TLS != bus.TLS{}):
		fail("url", "is missing: user, credentials_file and tls are for a server of its own; logins of the embedded one stand in users")
	case len(n.Users) > 0 && n.Listen == "":
		fail("users", "log in from the network; add listen, or remove users")
	case n.Listen != "" && len(n.Users) == 0 && !listen.Loopback(n.Listen):
		fail("listen", "others can reach this address; add users, or listen on 127.0.0.1")
	}
	for i, u := range n.Users {
		if u.Name == "" || (u.Password == "") == (u.PasswordFile == "") {
			fail(fmt.Sprintf("users[%d]", i), "a user has a name, and a password or a password_file")
		}
		if u.Name == ownUser {
			fail(fmt.Sprintf("users[%d].name", i), ownUser+" is how the process itself logs in; choose another name")
		}
	}
	return problems
}

// fixed names the sections that differ and are read at the start only.
func fixed(before, after Config) []string {
	var names []string
	for _, section := range []struct {
		name string
		a, b any
	}{
		{"nats", before.NATS, after.NATS},
		{"data_dir", before.DataDir, after.DataDir},
		{"tracing", before.Tracing, after.Tracing},
		{"status", before.Status, after.Status},
		{"notifier", before.Notifier, after.Notifier},
	} {
		if !reflect.DeepEqual(section.a, section.b) {
			names = append(names, section.name)
		}
	}
	return names
}
