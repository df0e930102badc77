//go:build unix

package verify

import "syscall"

// supported tells whether the system has the signals that the faults are made of.
const supported = true

// Signals of the faults.
const (
	sigStop = syscall.SIGSTOP
	sigCont = syscall.SIGCONT
	sigTerm = syscall.SIGTERM
)
