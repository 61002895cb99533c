package natsd

import (
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/authwatch/authwatch/services/internal/listen"
)

// listen fills in the network side: where, and who may log in. With users,
// in-process connections need a login too: the server knows no difference.
func (o Options) listen(options *server.Options) error {
	if o.Listen == "" {
		return nil
	}
	host, port, err := splitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("nats.listen %s: %w", o.Listen, err)
	}
	if len(o.Users) == 0 && !listen.Loopback(o.Listen) {
		return fmt.Errorf("nats.listen %s is not loopback: nats.users is required", o.Listen)
	}
	options.Host, options.Port = host, port
	for _, u := range o.Users {
		if u.Name == "" || u.Password == "" {
			return fmt.Errorf("nats.users: user %q needs a name and a password", u.Name)
		}
		options.Users = append(options.Users, &server.User{
			Username: u.Name, Password: u.Password.Reveal(), Permissions: u.permissions(),
		})
	}
	return nil
}

func (u User) permissions() *server.Permissions {
	if len(u.Publish) == 0 && len(u.Subscribe) == 0 {
		return nil
	}
	// An empty list would allow everything.
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: orNothing(u.Publish)},
		Subscribe: &server.SubjectPermission{Allow: orNothing(u.Subscribe)},
	}
}

func orNothing(subjects []string) []string {
	if len(subjects) == 0 {
		return []string{"nothing"}
	}
	return subjects
}

func (c *Cluster) apply(options *server.Options) error {
	host, port, err := splitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("nats cluster %s: %w", c.Listen, err)
	}
	options.ServerName = c.Server
	options.Cluster = server.ClusterOpts{Name: "authwatch", Host: host, Port: port}
	for _, r := range c.Routes {
		u, err := url.Parse(r)
		if err != nil {
			return fmt.Errorf("nats cluster: route: %w", err)
		}
		options.Routes = append(options.Routes, u)
	}
	return nil
}

func splitHostPort(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q is not a number", text)
	}
	if number == 0 {
		return host, server.RANDOM_PORT, nil
	}
	return host, int(number), nil
}
