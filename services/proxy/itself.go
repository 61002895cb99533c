package proxy

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/authwatch/authwatch/services/internal/listen"
)

// listensAt reports whether u leads to a listener of this configuration, by
// whatever name of this machine.
func (c *Config) listensAt(u *url.URL) bool {
	if listensAt(c.listen(), u) || c.AdminListen != "" && listensAt(c.AdminListen, u) {
		return true
	}
	for i := range c.Workloads {
		if own := c.Workloads[i].Listen; own != "" && listensAt(own, u) {
			return true
		}
	}
	return false
}

// LeadsHere reports whether the name of w's upstream resolves to a listener of this
// configuration.
func (c *Config) LeadsHere(ctx context.Context, w *Workload, resolver *net.Resolver) bool {
	u, err := w.base()
	if err != nil {
		return false
	}
	found, err := resolver.LookupNetIP(ctx, "ip", u.Hostname())
	return err == nil && slices.ContainsFunc(found, func(ip netip.Addr) bool {
		at := url.URL{Scheme: u.Scheme, Host: "[" + ip.Unmap().String() + "]"}
		if p := u.Port(); p != "" {
			at.Host += ":" + p
		}
		return c.listensAt(&at)
	})
}

// listensAt asks no name server: the names of the loopback interface are known
// (RFC 6761 section 6.3).
func listensAt(address string, u *url.URL) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return false
	}
	asked := u.Port()
	switch {
	case asked == "" && u.Scheme == "https":
		asked = "443"
	case asked == "":
		asked = "80"
	}
	if asked != port {
		return false
	}
	name := strings.TrimSuffix(u.Hostname(), ".")
	if strings.EqualFold(name, host) {
		return true
	}
	here, hereErr := netip.ParseAddr(host)
	there, thereErr := netip.ParseAddr(name)
	local := listen.Loopback(u.Host) || thereErr == nil && there.IsUnspecified()
	switch {
	case host == "" || hereErr == nil && here.IsUnspecified():
		return local
	case hereErr == nil && thereErr == nil && !there.IsUnspecified():
		return here.Unmap() == there.Unmap() // 127.0.0.2 is another listener than 127.0.0.1
	}
	return local && listen.Loopback(address)
}
