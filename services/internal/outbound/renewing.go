package outbound

import (
	"net/http"
	"sync/atomic"
)

// renewing leaves the connections of a transport behind after a request that got
// no answer. An HTTP/2 connection that went deaf would carry the next request
// too: it ends with a timeout only, and a timeout does not close it.
type renewing struct {
	current atomic.Pointer[http.Transport]
}

func newRenewing(t *http.Transport) *renewing {
	r := &renewing{}
	r.current.Store(t)
	return r
}

func (r *renewing) RoundTrip(req *http.Request) (*http.Response, error) {
	t := r.current.Load()
	resp, err := t.RoundTrip(req)
	if err != nil && r.current.CompareAndSwap(t, t.Clone()) {
		t.CloseIdleConnections() // pings close the others
	}
	return resp, err
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (r *renewing) CloseIdleConnections() { r.current.Load().CloseIdleConnections() }
