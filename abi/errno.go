package abi

import "strconv"

// Errno is what a host function returns instead of trapping. Success is zero or positive, every error
// is negative.
type Errno int32

// The error numbers of the contract.
const (
	// ErrnoOK is success.
	ErrnoOK Errno = 0
	// ErrnoInvalid: the document, key, name or number is malformed, or lacks something that it must have; or there is no
	// such handle.
	ErrnoInvalid Errno = -1
	// ErrnoDenied: the operator's policy, or the moment (no message is being handled), does not allow it.
	ErrnoDenied Errno = -2
	// ErrnoLimit: one of the limits of limits.go, or one that the operator has set, is reached.
	ErrnoLimit Errno = -3
	// ErrnoFault: the pointer and length lie outside the guest's memory.
	ErrnoFault Errno = -4
	// ErrnoCancelled: the call's deadline has passed, or its message now belongs to another worker.
	ErrnoCancelled Errno = -5
	// ErrnoNotFound: the plugin's state has no such key.
	ErrnoNotFound Errno = -6
	// ErrnoUnavailable: Redis did not answer in time, or not with a value; or an HTTP request brought no response, or only
	// a part of one. Another try of the message may find it well.
	ErrnoUnavailable Errno = -7
)

// String returns the number's name in the contract, such as "EINVALID".
func (e Errno) String() string {
	switch e {
	case ErrnoOK:
		return "OK"
	case ErrnoInvalid:
		return "EINVALID"
	case ErrnoDenied:
		return "EDENIED"
	case ErrnoLimit:
		return "ELIMIT"
	case ErrnoFault:
		return "EFAULT"
	case ErrnoCancelled:
		return "ECANCELLED"
	case ErrnoNotFound:
		return "ENOTFOUND"
	case ErrnoUnavailable:
		return "EUNAVAILABLE"
	}
	return "errno " + strconv.Itoa(int(e))
}

// LogLevel is the first parameter of the host function log.
type LogLevel uint32

// The log levels of the contract. A greater number counts as LogError.
const (
	LogDebug LogLevel = iota
	LogInfo
	LogWarn
	LogError
)
