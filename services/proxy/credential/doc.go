// Package credential keeps a token up to date: where it comes from, the
// value in use now, and when it was last replaced.
//
// Requests read a [Snapshot] from memory. Everything slow, reading files,
// running helpers, asking token endpoints, happens beside them. A new value is a
// new generation; the same value read again is the same generation, whatever
// happened to the file in between.
//
// No token, current or former, is ever part of a log line, an error or a text
// made here.
package credential
