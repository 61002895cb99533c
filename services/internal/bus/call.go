package bus

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// callTimeout bounds one attempt of anything. A leader change takes 5 to 8 s:
// the caller tries again.
const callTimeout = 5 * time.Second

var (
	errDisconnected = errors.New("the connection was lost")
	errDenied       = errors.New("no permission")
)

// calls are the requests under way. The server answers a denied publish with an
// error that belongs to no request, so the request would wait for its timeout:
// here it is found by its subject and fails with the true reason.
type calls struct {
	mu    sync.Mutex
	open  map[*call]struct{}
	inbox error // why no reply can arrive, until the next connection
}

type call struct {
	subject string // ending in ">": a prefix
	cancel  context.CancelCauseFunc
}

func (c *call) is(subject string) bool {
	if prefix, ok := strings.CutSuffix(c.subject, ">"); ok {
		return strings.HasPrefix(subject, prefix)
	}
	return c.subject == subject
}

func (cs *calls) add(subject string, cancel context.CancelCauseFunc) *call {
	c := &call{subject: subject, cancel: cancel}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.inbox != nil {
		cancel(cs.inbox)
		return c
	}
	if cs.open == nil {
		cs.open = map[*call]struct{}{}
	}
	cs.open[c] = struct{}{}
	return c
}

func (cs *calls) remove(c *call) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.open, c)
}

func (cs *calls) connected() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.inbox = nil
}

// disconnected ends every call: its request or its reply went with the connection.
func (cs *calls) disconnected() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.open {
		c.cancel(fmt.Errorf("%w: %w", ErrUnavailable, errDisconnected))
	}
}

var violation = regexp.MustCompile(`Permissions Violation for (Publish|Subscription) to "([^"]+)"`)

// denied ends the calls that the server refused. Without a subscription to its
// inbox no call can be answered at all.
func (cs *calls) denied(err error) {
	m := violation.FindStringSubmatch(err.Error())
	if m == nil {
		return
	}
	verb := map[string]string{"Publish": "publish on", "Subscription": "subscribe to"}[m[1]]
	refused := fmt.Errorf("%w: %w to %s %s", ErrRefused, errDenied, verb, m[2])
	cs.mu.Lock()
	defer cs.mu.Unlock()
	inbox := m[1] == "Subscription" && strings.HasPrefix(m[2], "_INBOX")
	if inbox {
		cs.inbox = refused
	}
	for c := range cs.open {
		if inbox || c.is(m[2]) {
			c.cancel(refused)
		}
	}
}

// do makes one attempt of fn, which sends to subject and waits for the answer.
// It ends early when ctx ends, when the connection is lost, and when the server
// denies the subject.
func (b *Bus) do(ctx context.Context, subject string, fn func(context.Context) error) error {
	if !b.nc.IsConnected() {
		if err := b.nc.LastError(); err != nil {
			return fmt.Errorf("%w: not connected: %w", ErrUnavailable, withoutSecrets(err))
		}
		return fmt.Errorf("%w: not connected", ErrUnavailable)
	}
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timed, stop := context.WithTimeout(own, callTimeout)
	defer stop()
	c := b.calls.add(subject, cancel)
	defer b.calls.remove(c)
	err := fn(timed)
	if err == nil {
		return nil
	}
	if cause := context.Cause(own); cause != nil && ctx.Err() == nil {
		return cause
	}
	return classify(err)
}

// request sends a message and returns the answer.
func (b *Bus) request(ctx context.Context, subject string, data []byte) (*nats.Msg, error) {
	var reply *nats.Msg
	err := b.do(ctx, subject, func(ctx context.Context) (err error) {
		reply, err = b.nc.RequestWithContext(ctx, subject, data)
		return err
	})
	return reply, err
}
