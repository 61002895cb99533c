// Package receiver tells people: each kind of receiver turns one message into
// what its provider wants, sends it once, and says what the answer means. It
// never retries, waits or remembers; package plan does.
package receiver
