//go:build !linux && unix

package verify

import (
	"os/exec"
	"syscall"
)

// endWithParent keeps a terminal's Ctrl-C from the process: verify ends it itself. The system has no way to end it
// when verify is killed.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
