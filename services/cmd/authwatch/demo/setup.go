package demo

import (
	"context"
	"os"
	"path/filepath"
	"text/template"
)

// addresses are where the demo listens: the defaults where they are free.
type addresses struct {
	NATS, Proxy, ProxyAdmin, Status, StatusAdmin, NotifierAdmin string
}

const usualStatus = "127.0.0.1:8081"

func chooseAddresses(ctx context.Context) (addresses, error) {
	var a addresses
	for _, one := range []struct {
		address *string
		usual   string
	}{
		{&a.NATS, "127.0.0.1:4222"},
		{&a.Proxy, "127.0.0.1:8080"},
		{&a.ProxyAdmin, "127.0.0.1:9080"},
		{&a.Status, usualStatus},
		{&a.StatusAdmin, "127.0.0.1:9081"},
		{&a.NotifierAdmin, "127.0.0.1:9082"},
	} {
		l, err := listen(ctx, one.usual)
		if err != nil {
			return a, err
		}
		defer l.Close() // held until all are chosen, so that none comes twice
		*one.address = l.Addr().String()
	}
	return a, nil
}

var configuration = template.Must(template.New("authwatch.yaml").Parse(`nats: {listen: "{{.A.NATS}}"}
data_dir: {{.Dir}}/data
proxy:
  listen: {{.A.Proxy}}
  admin_listen: {{.A.ProxyAdmin}}
  workloads:
    - name: weather
      kind: mcp
      upstream: http://{{.Remote}}/mcp
      credential: {bearer_token_file: {{.Dir}}/token}
status:
  listen: {{.A.Status}}
  admin_listen: {{.A.StatusAdmin}}
notifier:
  admin_listen: {{.A.NotifierAdmin}}
  receivers:
    - {name: ops, webhook: {url: "http://{{.Remote}}/alerts"}}
  routes:
    - {receivers: [ops], group_wait: 0s}
`))

// configure writes the configuration file that the services are started with.
func (d *demo) configure(ctx context.Context, remote string) (file string, err error) {
	if d.addresses, err = chooseAddresses(ctx); err != nil {
		return "", err
	}
	file = filepath.Join(d.dir, "authwatch.yaml")
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return file, configuration.Execute(f, struct {
		A           addresses
		Dir, Remote string
	}{d.addresses, d.dir, remote})
}
