//go:build unix

package child

import "syscall"

// Supported tells whether the system has the signals.
const Supported = true

// Signals that hold a process, let it go on, and ask it to end.
const (
	Stop      = syscall.SIGSTOP
	Continue  = syscall.SIGCONT
	Terminate = syscall.SIGTERM
)
