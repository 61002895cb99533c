package bus

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrUnavailable: not acknowledged; the event may be stored or not. Try again
	// with the same event.
	ErrUnavailable = errors.New("bus is unavailable")
	// ErrFull: the stream is at its limit. It is an ErrUnavailable too.
	ErrFull error = unavailable("stream is full")
	// ErrNobodyServes: no process serves the subject of a request, so nobody has
	// received it. It is an ErrUnavailable too.
	ErrNobodyServes error = unavailable("nobody serves it")
	// ErrRefused: denied, or too large. Trying again does not help; the text
	// names the subject.
	ErrRefused = errors.New("bus refused")
	// ErrConflict: somebody else wrote first.
	ErrConflict = errors.New("somebody else wrote first")
	// ErrNotFound: no such message, key, stream, bucket or consumer.
	ErrNotFound = errors.New("not found")
	// ErrMalformed: the message is not an event.
	ErrMalformed = errors.New("not an event")
)

// unavailable is an ErrUnavailable whose reason is known.
type unavailable string

func (u unavailable) Error() string      { return string(u) }
func (unavailable) Is(target error) bool { return target == ErrUnavailable }

// Terminal marks an error of a handler that a retry cannot help: the message goes
// to the DEAD stream.
func Terminal(err error) error { return terminalError{err} }

type terminalError struct{ error }

func (e terminalError) Unwrap() error { return e.error }

// Error codes of JetStream, as in nats-server's errors.json.
const (
	codeTooLarge       = 10054 // JSStreamMessageExceedsMaximumErr
	codeWrongSequence  = 10071 // JSStreamWrongLastSequenceErrF, one server
	codeStoreFailed    = 10077 // JSStreamStoreFailedF: also what "full" is
	codeInProcess      = 10158 // JSStreamDuplicateMessageConflict: the first copy is still in Raft
	codeWrongConstant  = 10164 // JSStreamWrongLastSequenceConstantErr, a cluster
	codeNoStorage      = 10047 // JSStorageResourcesExceededErr
	codeAccountStorage = 10002 // JSAccountResourcesExceededErr
	codeNoPeers        = 10005 // JSClusterNoPeersErrF: too few servers are up
	codeNoCluster      = 10074 // JSStreamReplicasNotSupportedErr
)

// classify gives an error of the client library one of this package's names.
func classify(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api):
		return fmt.Errorf("%w: %s (code %d)", classOf(api), api.Description, api.ErrorCode)
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrKeyDeleted),
		errors.Is(err, jetstream.ErrBucketNotFound), errors.Is(err, jetstream.ErrNoKeysFound):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrBadSubject),
		errors.Is(err, jetstream.ErrInvalidKey), errors.Is(err, jetstream.ErrInvalidSubject):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrRefused), errors.Is(err, ErrNotFound):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

func classOf(api *jetstream.APIError) error {
	switch api.ErrorCode {
	case codeWrongSequence, codeWrongConstant:
		return ErrConflict
	case codeStoreFailed:
		if strings.HasPrefix(api.Description, "maximum ") {
			return ErrFull
		}
		return ErrUnavailable
	case codeNoStorage, codeAccountStorage:
		return ErrFull
	case codeInProcess, codeNoPeers:
		return ErrUnavailable
	case codeTooLarge, codeNoCluster:
		return ErrRefused
	}
	switch {
	case api.Code == 404:
		return ErrNotFound
	case api.Code >= 500:
		return ErrUnavailable
	}
	return ErrRefused
}

var userinfo = regexp.MustCompile(`//[^/@\s]*@`)

// withoutSecrets takes the user and password of a URL out of an error.
func withoutSecrets(err error) error {
	if err == nil || !strings.Contains(err.Error(), "@") {
		return err
	}
	return errors.New(userinfo.ReplaceAllString(err.Error(), "//"))
}
