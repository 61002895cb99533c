package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// contextOfChild ends with the process.
func contextOfChild() context.Context { return context.Background() }

// result is one measurement.
type result struct {
	cpu      float64 // microseconds a request
	rate     float64 // requests a second
	p50, p99 time.Duration
}

// run loads a proxy over conns connections and measures what it costs.
func run(b *testing.B, c *child, path string, conns int, d time.Duration) result {
	b.Helper()
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"q":"0123456789"}}}`
	addr := strings.TrimPrefix(c.Proxy, "http://")
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: %d\r\n\r\n%s", path, addr, len(body), body)
	all := make([][]time.Duration, conns)
	var wg sync.WaitGroup
	before, start := cpu(b, c), time.Now()
	for i := range conns {
		wg.Go(func() {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				return
			}
			defer nc.Close()
			in := bufio.NewReader(nc)
			for time.Since(start) < d {
				t := time.Now()
				if _, err := io.WriteString(nc, request); err != nil {
					return
				}
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					return
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					return
				}
				resp.Body.Close()
				all[i] = append(all[i], time.Since(t))
			}
		})
	}
	wg.Wait()
	took, spent := time.Since(start), cpu(b, c)-before
	times := slices.Concat(all...)
	require.NotEmpty(b, times, "%s %s", c.name, path)
	slices.Sort(times)
	n := float64(len(times))
	return result{
		cpu: float64(spent.Microseconds()) / n, rate: n / took.Seconds(),
		p50: times[len(times)/2], p99: times[len(times)*99/100],
	}
}

// cpu is what the process has used so far.
func cpu(b *testing.B, c *child) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	require.NoError(b, err)
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ
}

// memory is the resident set in KiB.
func memory(b *testing.B, c *child) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	require.NoError(b, err)
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kib
}

func goroutines(b *testing.B, c *child) float64 {
	b.Helper()
	if c.Goroutines == "" {
		return 0
	}
	resp, err := http.Get(c.Goroutines)
	require.NoError(b, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b, err)
	n, err := strconv.ParseFloat(string(text), 64)
	require.NoError(b, err)
	return n
}

// streams opens n event streams, waits for the first event of each and returns
// what each costs.
func streams(b *testing.B, c *child, path string, n int) (kib, routines float64) {
	b.Helper()
	routines, kib = goroutines(b, c), memory(b, c)
	addr := strings.TrimPrefix(c.Proxy, "http://")
	open := make([]net.Conn, n)
	defer func() {
		for _, nc := range open {
			if nc != nil {
				nc.Close()
			}
		}
	}()
	var group errgroup.Group
	group.SetLimit(64) // some peers hold the first event back for a moment
	for i := range open {
		group.Go(func() (err error) {
			open[i], err = openStream(addr, path)
			return err
		})
	}
	require.NoError(b, group.Wait(), c.name)
	return (memory(b, c) - kib) / float64(n), (goroutines(b, c) - routines) / float64(n)
}

func openStream(addr, path string) (net.Conn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", path, addr); err != nil {
		return nc, err
	}
	in := bufio.NewReaderSize(nc, 1024)
	for line := ""; line != "data: 1\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			return nc, err
		}
	}
	return nc, nil
}
