package forward_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/forward"
)

func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := forward.Exchange{Writer: w, Request: r, Whole: true}
		if r.URL.Path == "/glance" {
			x.Glance()
		}
		x.LeaveBody()
		w.Header().Set("X-Body", fmt.Sprint(len(x.Body)))
		w.Header().Set("Content-Length", "3")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "no\n")
		x.Finish()
	}))
	t.Cleanup(refusing.Close)
	for name, rest := range map[string]string{
		"no byte":      "Content-Length: 10\n\n",
		"small":        "Content-Length: 10\n\n{",
		"large":        "Content-Length: 1000000\n\n{",
		"huge":         "Content-Length: 100000000000\n\n{",
		"chunked":      "Transfer-Encoding: chunked\n\n1\n{\n",
		"chunked JSON": "Content-Type: application/json\nTransfer-Encoding: chunked\n\n1\n{\n",
		"broken":       "Transfer-Encoding: chunked\n\nx\n",
		"expect":       "Expect: 100-continue\nContent-Length: 10\n\n",
	} {
		for _, path := range []string{"/", "/glance"} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				f := &front{Server: refusing}
				got := talk(t, f, "POST "+path+" HTTP/1.1\nHost: x\n"+rest) // and it is closed
				require.True(t, strings.HasPrefix(got, "HTTP/1.1 403 "), got)
				require.True(t, strings.HasSuffix(got, "\n\nno\n"), got)
			})
		}
	}
	for _, path := range []string{"/", "/glance"} {
		c := connect(t, &front{Server: refusing})
		in := bufio.NewReader(c)
		for range 3 { // what is here is read, and the connection goes on
			send(t, c, "POST "+path+" HTTP/1.1\nHost: x\nContent-Length: 10\n\n0123456789POST "+path+" HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n1\n{\n0\n\n")
			for _, n := range []int{10, 1} {
				resp, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				_, _ = io.ReadAll(resp.Body)
				require.Equal(t, http.StatusForbidden, resp.StatusCode)
				if path == "/glance" {
					require.Equal(t, fmt.Sprint(n), resp.Header.Get("X-Body"))
				}
			}
		}
	}
}
