package receiver

import (
	"bytes"
	"context"
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

// maxAnswer is how much of an answer is read.
const maxAnswer = 64 << 10

// caller makes every HTTP call of one receiver. It has connections of its own,
// so that a receiver that hangs holds up no other.
type caller struct {
	client *http.Client
	now    func() time.Time
}

func newCaller(o Options) *caller {
	return &caller{client: outbound.Client(outbound.Transport(nil), 0), now: o.Now}
}

// call is one HTTP request to a provider.
type call struct {
	method  string // POST where empty
	url     config.Secret
	header  http.Header
	body    []byte
	secrets []config.Secret // that may show in an answer, besides the URL
	// accept looks into the body of a good answer: providers say 200 and mean
	// no. It may set the reference and everything else.
	accept func(body []byte, a *plan.Answer)
	// explain finds the provider's words in the body of a bad one.
	explain func(body []byte) string
}

// do makes the call and says what came of it. No error text holds a secret.
func (c *caller) do(ctx context.Context, r call) plan.Answer {
	secrets := redactor(r.url, r.secrets...)
	fail := func(err error, heard bool) plan.Answer {
		return plan.Answer{Outcome: plan.Retry, Heard: heard, Error: said(secrets, reason(ctx, err))}
	}
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, r.verb(), r.url.Reveal(), bytes.NewReader(r.body))
	if err != nil {
		return plan.Answer{Outcome: plan.Refused, Error: "the URL is not valid"}
	}
	maps.Copy(req.Header, r.header)
	req.Header.Set("User-Agent", "authwatch")
	resp, err := c.client.Do(req)
	if err != nil {
		return fail(err, wrote.Load())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	a := plan.Answer{Outcome: classify(resp.StatusCode), Status: resp.StatusCode}
	switch {
	case a.Outcome == plan.Delivered && err != nil && r.accept != nil:
		return fail(err, true)
	case a.Outcome == plan.Delivered:
		if r.accept != nil {
			r.accept(body, &a)
		}
	default:
		a.Heard = heardAnyway(resp.StatusCode)
		a.Error = r.words(resp, body)
	}
	if a.Outcome == plan.Retry && a.RetryAfter == 0 {
		a.RetryAfter = outbound.RetryAfter(resp.Header, c.now())
	}
	a.Error = said(secrets, a.Error)
	return a
}

func (r call) verb() string {
	if r.method == "" {
		return http.MethodPost
	}
	return r.method
}

// words are the answer's, as they came.
func (r call) words(resp *http.Response, body []byte) string {
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

// reason is why there was no answer. What an attempt met when its time was over
// is of no interest.
func reason(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return outbound.Detail(err)
}
