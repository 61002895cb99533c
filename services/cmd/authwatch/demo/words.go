package demo

import (
	"os"
	"strings"
)

func (d *demo) introduce() {
	d.Line("%s", d.Bold("authwatch demo"))
	d.Line("")
	d.Line("  MCP client ──► proxy ──► MCP server with a bearer token")
	d.Line("                   └──► event ──► status ──► alert")
	d.Line("")
	d.Line("  %s", d.Dim("One process, all of it real: MCP server and client of the official SDK,"))
	d.Line("  %s", d.Dim("proxy, status and notifier over an embedded NATS server, a webhook."))
}

// invite says what there is to look at and to try.
func (d *demo) invite() {
	d.chapter("It keeps running. Look at:")
	a := d.addresses
	for _, l := range [][2]string{
		{"page", "http://" + a.Status + "/"},
		{"API", "curl http://" + a.Status + "/api/v1/workloads/weather"},
		{"metrics", "http://" + a.ProxyAdmin + "/metrics"},
		{"events", "nats://" + a.NATS + "  (subjects auth.> status.> alert.>)"},
		{"MCP", "http://" + a.Proxy + "/weather  (for a client of your own)"},
		{"command", self() + " why weather" + d.apiFlag()},
		{"log", d.dir + "/authwatch.log"},
	} {
		d.Line("  %-9s %s", l[0], l[1])
	}
	d.Line("\n  Break it:  cd %s; cp token good; echo wrong > token", d.dir)
	d.Line("  Heal it:   cp good token")
	d.Line("\n  Ctrl-C ends it.\n")
}

// self is how to call this program again.
func self() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./services/cmd/authwatch"
	}
	return os.Args[0]
}

func (d *demo) apiFlag() string {
	if d.addresses.Status == usualStatus {
		return ""
	}
	return " --api http://" + d.addresses.Status
}
