package abi

import (
	"errors"
	"strconv"
	"time"
)

// Status is what sgs_handle says of its message.
type Status uint32

// The statuses of the contract. Any other number is an error of the guest and counts as StatusRetry.
const (
	// StatusDone: the message is acknowledged and everything emitted is written, in one step.
	StatusDone Status = 0
	// StatusRetry: nothing is written; the message is tried again until its attempts are used up.
	StatusRetry Status = 1
	// StatusReject: nothing is written; the message goes to the dead letters at once.
	StatusReject Status = 2
	// StatusDrop: the message is acknowledged and nothing is written.
	StatusDrop Status = 3
)

// String returns the status's name in the contract.
func (s Status) String() string {
	switch s {
	case StatusDone:
		return "done"
	case StatusRetry:
		return "retry"
	case StatusReject:
		return "reject"
	case StatusDrop:
		return "drop"
	}
	return "status " + strconv.FormatUint(uint64(s), 10)
}

// PackResult is the result of sgs_handle: the status in the high 32 bits, retryAfter in milliseconds in
// the low 32. A retryAfter outside of 0 to 49 days is brought to the nearer end.
func PackResult(s Status, retryAfter time.Duration) uint64 {
	ms := min(max(retryAfter.Milliseconds(), 0), 1<<32-1)
	return uint64(s)<<32 | uint64(ms)
}

// UnpackResult is the inverse of PackResult.
func UnpackResult(r uint64) (Status, time.Duration) {
	return Status(r >> 32), time.Duration(uint32(r)) * time.Millisecond
}

// Verdict is the outcome of one call.
type Verdict struct {
	Status Status
	// RetryAfter is how long the guest wants the next try to wait; zero leaves it to the daemon.
	RetryAfter time.Duration
	// Reason is what the guest said with fail, for the log and the dead letter.
	Reason string
	// Emits are what the guest asked to be written, in order. They count for nothing unless Status is StatusDone.
	Emits []Emit
	// Reads are the keys of the plugin's state that the guest has read from Redis, each with what was found first.
	// The outcome of a call whose Status is StatusDone stands on them: if one of them is not so any more, the
	// message has to be run again.
	Reads []StateRead
	// Writes are what the guest has set and deleted in its state: one for each key, in the order of the first.
	// They count for nothing unless Status is StatusDone.
	Writes []StateWrite
}

// ErrNotStarted is returned for a message whose call was not begun because the daemon is stopping. No
// attempt is charged for it.
var ErrNotStarted = errors.New("the call was not started")
