//go:build !unix

package child

import (
	"os/exec"
	"syscall"
)

// Supported tells whether the system has the signals.
const Supported = false

// The system has no signals that are like these.
const Stop, Continue, Terminate = syscall.SIGKILL, syscall.SIGKILL, syscall.SIGKILL

// EndWithParent does nothing: the system has no way to do it.
func EndWithParent(*exec.Cmd) {}
