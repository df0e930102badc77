//go:build !unix

package verify

import (
	"os/exec"
	"syscall"
)

// supported tells whether the system has the signals that the faults are made of.
const supported = false

// The system has no signals that are like these.
const sigStop, sigCont, sigTerm = syscall.SIGKILL, syscall.SIGKILL, syscall.SIGKILL

func endWithParent(*exec.Cmd) {}
