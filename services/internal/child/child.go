// Package child is what the programs that authwatch starts have in common: no
// shell, a process group of their own, and a bound on what they print.
package child

import (
	"context"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// lastWords is how long a program's pipes may stay open after its end.
const lastWords = 2 * time.Second

// Command is a program that ends with ctx, and with it what it has started: a
// script would leave its children behind.
func Command(ctx context.Context, argv []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = lastWords
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// Head keeps the beginning of what is written to it, of at most Most bytes.
type Head struct {
	strings.Builder
	Most int
	Cut  bool // there was more
}

var _ io.Writer = (*Head)(nil)

func (h *Head) Write(p []byte) (int, error) {
	keep := min(len(p), h.Most-h.Len())
	h.Builder.Write(p[:keep])
	h.Cut = h.Cut || keep < len(p)
	return len(p), nil
}
