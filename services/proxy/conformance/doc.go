// Package conformance holds one test, behind the build tag conformance: the MCP
// project's own conformance suite finds the same through the proxy as directly.
package conformance
