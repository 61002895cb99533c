// Package listen is how every TCP listener is opened, and which Host names it
// answers to.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/authwatch/authwatch/services/internal/config"
)

// Open opens the TCP listener that the value at path, relative to the section,
// asks for. Its error is a [config.Problem] that says what to change.
func Open(ctx context.Context, path, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, config.Problem{Path: path, Text: fmt.Sprintf("cannot listen on %s: %s", address, whyNoListener(err))}
	}
	return l, nil
}

func whyNoListener(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "in use: another process listens there; stop it or choose another port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine has no such address; choose 127.0.0.1 or one of its own"
	case errors.Is(err, syscall.EACCES):
		return "not permitted: a port below 1024 needs privileges; choose a higher one"
	}
	if ae, ok := errors.AsType[*net.AddrError](err); ok {
		return ae.Err + `; write it as "127.0.0.1:8080"`
	}
	if de, ok := errors.AsType[*net.DNSError](err); ok {
		return de.Err + `; write it as "127.0.0.1:8080"`
	}
	return err.Error()
}
