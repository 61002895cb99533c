package bus

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

var (
	errDisconnected = errors.New("the connection was lost")
	errDenied       = errors.New("no permission")
)

// openRequests are the requests under way. The server reports a denied publish as an
// error of the connection, and the request would wait for its timeout: here it is
// found by its subject and fails with that reason.
type openRequests struct {
	mu    sync.Mutex
	open  map[*openRequest]struct{}
	inbox error // why no reply can arrive, until the next connection
}

type openRequest struct {
	subject string // ending in ">": a prefix
	cancel  context.CancelCauseFunc
}

func (r *openRequest) is(subject string) bool {
	if prefix, ok := strings.CutSuffix(r.subject, ">"); ok {
		return strings.HasPrefix(subject, prefix)
	}
	return r.subject == subject
}

func (rs *openRequests) add(subject string, cancel context.CancelCauseFunc) *openRequest {
	r := &openRequest{subject: subject, cancel: cancel}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.inbox != nil {
		cancel(rs.inbox)
		return r
	}
	if rs.open == nil {
		rs.open = map[*openRequest]struct{}{}
	}
	rs.open[r] = struct{}{}
	return r
}

func (rs *openRequests) remove(r *openRequest) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.open, r)
}

func (rs *openRequests) connected() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.inbox = nil
}

// disconnected ends every request: it or its reply went with the connection.
func (rs *openRequests) disconnected() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for r := range rs.open {
		r.cancel(fmt.Errorf("%w: %w", ErrUnavailable, errDisconnected))
	}
}

var violation = regexp.MustCompile(`Permissions Violation for (Publish|Subscription) to "([^"]+)"`)

// denied ends the requests that the server refused. Without a subscription to its
// inbox none can be answered at all.
func (rs *openRequests) denied(err error) {
	m := violation.FindStringSubmatch(err.Error())
	if m == nil {
		return
	}
	verb := map[string]string{"Publish": "publish on", "Subscription": "subscribe to"}[m[1]]
	refused := fmt.Errorf("%w: %w to %s %s", ErrRefused, errDenied, verb, m[2])
	rs.mu.Lock()
	defer rs.mu.Unlock()
	inbox := m[1] == "Subscription" && strings.HasPrefix(m[2], "_INBOX")
	if inbox {
		rs.inbox = refused
	}
	for r := range rs.open {
		if inbox || r.is(m[2]) {
			r.cancel(refused)
		}
	}
}
