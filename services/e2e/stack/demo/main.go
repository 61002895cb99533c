// Command demo is the other side of the compose stack, to look at and to test
// with: an MCP server behind a token that can be taken away, and a webhook that
// prints what it is told.
//
//	demo serve      run both, on :8083; more names are more MCP servers
//	demo call       call the MCP server's tool through the proxy, as a client does
//	demo revoke     the MCP server accepts no token any more
//	demo issue      it accepts a new one, which is put where the proxy looks
//	demo messages   what the webhook was told so far
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
	"github.com/authwatch/authwatch/services/internal/process"
)

const (
	address     = ":8083"
	self        = "http://127.0.0.1:8083"
	proxied     = "http://proxy:8080/" + workload
	workload    = "weather"     // the one unless others are named
	tokens      = "/run/tokens" // a file each, named after its workload
	clientsFile = "/run/secrets/clients"
)

const callTool = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_forecast","arguments":{"city":"Lisbon"}}}`

func main() {
	process.Main(func(ctx context.Context) error { return run(ctx, os.Args[1:]) })
}

func run(ctx context.Context, args []string) error {
	switch command := strings.Join(args, " "); {
	case strings.HasPrefix(command, "serve"):
		return serve(ctx, args[1:])
	case command == "call":
		return call(ctx)
	case command == "revoke", command == "issue":
		return ask(ctx, http.MethodPost, self+"/"+command, "", "")
	case command == "messages":
		return ask(ctx, http.MethodGet, self+"/messages", "", "")
	}
	return process.Usagef("usage: demo serve [WORKLOAD...] | call | revoke | issue | messages")
}

func serve(ctx context.Context, workloads []string) error {
	w := &world{dir: tokens, servers: map[string]*weather.Server{}}
	for _, name := range append(workloads, workload) {
		if err := w.issue(name); err != nil {
			return err
		}
	}
	server := &http.Server{Addr: address, Handler: w.handler(), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	fmt.Println("demo: MCP server at /mcp, webhook at /hook")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

func call(ctx context.Context) error {
	token, err := os.ReadFile(clientsFile)
	if err != nil {
		return err
	}
	return ask(ctx, http.MethodPost, proxied, strings.TrimSpace(string(token)), callTool)
}

// ask sends a request and prints the answer.
func ask(ctx context.Context, method, url, token, body string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	fmt.Println(resp.Status, strings.TrimSpace(string(text)))
	return nil
}
