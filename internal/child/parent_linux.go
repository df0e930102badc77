package child

import (
	"os/exec"
	"syscall"
)

// EndWithParent lets the kernel kill the process, which is not started yet, when this one dies.
func EndWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
