package bus

import "errors"

var (
	// ErrUnavailable: not acknowledged, and nobody knows whether it was stored.
	// Try again with the same event.
	ErrUnavailable = errors.New("bus is unavailable")
	// ErrFull: the stream is at its limit. It is an ErrUnavailable too.
	ErrFull = errors.New("stream is full")
	// ErrRefused: denied or too large. Trying again does not help.
	ErrRefused = errors.New("refused")
	// ErrConflict: somebody else wrote first.
	ErrConflict = errors.New("conflict")
	// ErrNotFound: no such message, key, stream or bucket.
	ErrNotFound = errors.New("not found")
)

// Terminal marks an error of a handler that no retry can help: the message goes
// to the DEAD stream.
func Terminal(err error) error { return terminalError{err} }

type terminalError struct{ error }

func (e terminalError) Unwrap() error { return e.error }
