// Package e2e holds black-box tests: the built binaries, as users run them,
// between a real MCP server and client of the official SDK.
package e2e
