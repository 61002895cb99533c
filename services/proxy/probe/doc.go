// Package probe asks an upstream what it thinks of a token, with a request that
// changes nothing there: before the token is used, or while the workload is idle.
package probe
