package receiver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// maxBody is how much of an answer is read.
const maxBody = 64 << 10

// caller makes every HTTP call of one receiver. It has connections of its own,
// so that a receiver that does not answer delays no other.
type caller struct {
	client     *http.Client
	broken     error // why there is no client
	connection Connection
	now        func() time.Time
}

func newCaller(c Connection, o Options) *caller {
	t, err := c.transport()
	if err != nil {
		return &caller{broken: err, now: o.Now}
	}
	return &caller{client: outbound.Client(t, 0), connection: c, now: o.Now}
}

// call is one HTTP request to a provider.
type call struct {
	method  string // POST where empty
	url     config.Secret
	header  http.Header
	body    []byte
	secrets []config.Secret // that may show in an answer, besides the URL
	// accept reads the body of an answer of 2xx, with which some providers refuse
	// a message. It may change the result.
	accept func(body []byte, a *plan.Result)
	// explain finds the reason in the body of any other answer.
	explain func(body []byte) string
	// wait finds the wait that a provider asks for in the body of an answer, where
	// that is better than its Retry-After.
	wait func(body []byte) time.Duration
}

// do makes the call. No secret is in the error text of its result.
func (c *caller) do(ctx context.Context, r call) plan.Result {
	if c.broken != nil {
		return unreadable(c.broken)
	}
	header, hidden, err := c.connection.headers()
	if err != nil {
		return unreadable(err)
	}
	secrets := redactor(r.url, append(hidden, r.secrets...)...)
	fail := func(err error, uncertain bool) plan.Result {
		return plan.Result{Outcome: plan.Retry, Uncertain: uncertain, Error: said(secrets, reason(ctx, err))}
	}
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodPost), r.url.Reveal(), bytes.NewReader(r.body))
	if err != nil {
		return plan.Result{Outcome: plan.Refused, Error: "the URL is not valid"}
	}
	maps.Copy(req.Header, header)
	maps.Copy(req.Header, r.header)
	req.Header.Set("User-Agent", "authwatch")
	resp, err := c.client.Do(req)
	if err != nil {
		return fail(err, wrote.Load())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	a := plan.Result{Outcome: classify(resp.StatusCode), Status: resp.StatusCode}
	switch {
	case a.Outcome == plan.Delivered && err != nil && r.accept != nil:
		return fail(err, true)
	case a.Outcome == plan.Delivered:
		if r.accept != nil {
			r.accept(body, &a)
		}
	default:
		a.Uncertain = maybeDelivered(resp.StatusCode)
		a.Error = r.describe(resp, body)
	}
	if a.Outcome == plan.Retry && r.wait != nil {
		a.RetryAfter = r.wait(body)
	}
	if a.Outcome == plan.Retry && a.RetryAfter == 0 {
		a.RetryAfter = outbound.RetryAfter(resp.Header, c.now())
	}
	a.Error = said(secrets, a.Error)
	return a
}

// describe returns the answer as text.
func (r call) describe(resp *http.Response, body []byte) string {
	text := fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	var more string
	if r.explain != nil {
		more = r.explain(body)
	} else if !strings.Contains(resp.Header.Get("Content-Type"), "html") {
		more = string(body)
	}
	if more = strings.TrimSpace(more); more != "" {
		return text + ": " + more
	}
	return text
}

// jsonHeader is the header of a request with a body in JSON.
func jsonHeader() http.Header {
	return http.Header{"Content-Type": {"application/json; charset=utf-8"}}
}

// field returns what finds the text of a field in a JSON object.
func field(name string) func(body []byte) string {
	return func(body []byte) string {
		var fields map[string]any
		_ = json.Unmarshal(body, &fields)
		text, _ := fields[name].(string)
		return text
	}
}

// reason is why there was no answer. After the deadline, that is the reason,
// whatever error it caused.
func reason(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return outbound.Detail(err)
}
