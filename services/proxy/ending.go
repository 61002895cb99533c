package proxy

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/proxy/forward"
	"github.com/authwatch/authwatch/services/proxy/shield"
)

// ending is what becomes of a request without a whole answer of the upstream.
type ending struct {
	err     error
	outcome outcome
	reply   shield.Reply // without a status: none is possible any more
	contact contact
}

// contact is what an ending says about the upstream.
type contact int

const (
	silent   contact = iota // nothing
	spoke                   // it is there
	noAnswer                // a client may have brought it about
	away                    // there is no connection
)

var endings = []ending{
	{err: forward.ErrClientGone, outcome: outClientGone},
	{err: forward.ErrCut, outcome: outCut},
	{err: forward.ErrBodyTooLarge, outcome: outTooLarge, reply: shield.Reply{
		Status: http.StatusRequestEntityTooLarge, Code: shield.CodeRefused, Reason: "too_large",
		Message: "the request body is larger than proxy.limits.request_body allows",
	}},
	{err: forward.ErrBodyBroken, outcome: outBadRequest, reply: shield.Reply{
		Status: http.StatusBadRequest, Code: shield.CodeRefused, Reason: "bad_request",
		Message: "the request body could not be read",
	}},
	{err: forward.ErrBodyLate, outcome: outBadRequest, reply: shield.Reply{
		Status: http.StatusRequestTimeout, Code: shield.CodeRefused, Reason: "body_timeout",
		Message: "the request body did not arrive in time",
	}},
	{err: forward.ErrHeaderTooLarge, outcome: outTooLarge, reply: shield.Reply{
		Status: http.StatusRequestHeaderFieldsTooLarge, Code: shield.CodeRefused, Reason: "headers_too_large",
		Message: "the request's headers are larger than the upstream allows",
	}},
	{err: forward.ErrUnsendable, outcome: outBadRequest, reply: shield.Reply{
		Status: http.StatusBadRequest, Code: shield.CodeRefused, Reason: "bad_request",
		Message: "the request cannot be sent to the upstream as it is",
	}},
	{err: forward.ErrInvalid, outcome: outBadAnswer, contact: spoke, reply: shield.Reply{
		Status: http.StatusBadGateway, Code: shield.CodeUnreachable, Reason: "bad_answer",
		Message: "the upstream's answer cannot be passed on: %s",
	}},
	{err: forward.ErrRefused, outcome: outEnded, contact: spoke, reply: shield.Reply{
		Status: http.StatusBadGateway, Code: shield.CodeUnreachable, Reason: "connection_ended",
		Message: "the connection ended: the upstream gave no answer to this request",
	}},
	{err: forward.ErrEnded, outcome: outEnded, contact: noAnswer, reply: shield.Reply{
		Status: http.StatusBadGateway, Code: shield.CodeUnreachable, Reason: "connection_ended",
		Message: "the connection ended before the upstream gave an answer: %s",
	}},
	{err: forward.ErrTimedOut, outcome: outTimedOut, contact: noAnswer, reply: shield.Reply{
		Status: http.StatusGatewayTimeout, Code: shield.CodeUnreachable, Reason: "unreachable",
		Message: "the upstream cannot be reached: %s",
	}},
	{err: forward.ErrUnreachable, outcome: outUnreachable, contact: away, reply: shield.Reply{
		Status: http.StatusBadGateway, Code: shield.CodeUnreachable, Reason: "unreachable",
		Message: "the upstream cannot be reached: %s",
	}},
}

// endingOf returns the ending that err is, and why for people.
func endingOf(err error) (e ending, why string) {
	e = endings[slices.IndexFunc(endings, func(e ending) bool { return errors.Is(err, e.err) })]
	why = outbound.Why(err)
	if e.err == forward.ErrInvalid { //nolint:errorlint // it is the table's own
		why = strings.TrimPrefix(err.Error(), forward.ErrInvalid.Error()+": ")
	}
	e.reply.Message = strings.Replace(e.reply.Message, "%s", why, 1)
	return e, why
}
