package mcp

import (
	"net/url"
	"path"
	"strings"
)

// IsDiscovery recognises the paths of OAuth discovery and registration (MCP
// 2025-11-25, authorization), however they are written.
func IsDiscovery(rawPath string) bool {
	if len(rawPath) < 2 {
		return false
	}
	p := rawPath
	if u, err := url.PathUnescape(p); err == nil {
		p = u
	}
	p = path.Clean(p)
	switch p {
	case "/register", "/authorize", "/token", "/.well-known":
		return true
	}
	return strings.HasPrefix(p, "/.well-known/")
}
