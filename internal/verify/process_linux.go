package verify

import (
	"os/exec"
	"syscall"
)

// endWithParent lets the kernel kill the process when verify dies.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
