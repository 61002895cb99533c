package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFollowGoesOnWhereABrokenConnectionEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after := r.Header.Get("Last-Event-ID")
		asked = append(asked, after)
		if after == "7" {
			cancel()
			return
		}
		_, _ = io.WriteString(w, `retry: 1000

: alive

id: 6
event: status.updated
data: {"type":"status.updated","data":{"workload":"b"}}

id: 7
event: status.changed
data: {"type":"status.changed","data":{"workload":"a","status":"running","since":"2026-01-02T03:04:05Z"}}

`)
	}))
	defer server.Close()
	var out bytes.Buffer
	c := newRoot()
	c.SetOut(&out)
	c.SetArgs([]string{"events", "--follow", "--api", server.URL})
	require.NoError(t, c.ExecuteContext(ctx))
	require.Equal(t, []string{"", "7"}, asked)
	require.Regexp(t, `^2026-01-0\d \d\d:\d\d:05  a +running\n$`, out.String())
}

func TestFollowFailsAtOnceWhereThereIsNoAPI(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c := newRoot()
	c.SetArgs([]string{"events", "--follow", "--api", server.URL})
	require.ErrorContains(t, c.ExecuteContext(t.Context()), "is authwatch running")
}
