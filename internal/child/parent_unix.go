//go:build !linux && unix

package child

import (
	"os/exec"
	"syscall"
)

// EndWithParent keeps a terminal's Ctrl-C from the process, which is not started yet: this one ends it itself. The system
// has no way to end it when this one is killed.
func EndWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
