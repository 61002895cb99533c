//go:build unix

package credential

import (
	"os/exec"
	"syscall"
)

// killGroup makes the end of ctx end what cmd has started, too: a shell script
// would leave its children behind.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
