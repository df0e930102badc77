package sgs

import (
	"errors"
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
)

// verdict is an error that says what is to become of the message.
type verdict struct {
	status abi.Status
	after  time.Duration
	reason string
}

// Error implements error.
func (v *verdict) Error() string {
	if v.reason == "" {
		return v.status.String()
	}
	return v.status.String() + ": " + v.reason
}

// Retry asks for another try of the message, not before after; 0 leaves the moment to the daemon. After the
// last of its attempts the message goes to the dead letters with the reason. after has milliseconds, and at
// most 49 days.
func Retry(after time.Duration, reason string) error {
	return &verdict{abi.StatusRetry, after, reason}
}

// Reject sends the message to the dead letters at once, with the reason.
func Reject(reason string) error { return &verdict{status: abi.StatusReject, reason: reason} }

// Drop acknowledges the message and writes nothing, not even what has been emitted.
func Drop() error { return &verdict{status: abi.StatusDrop} }

// asVerdict finds the verdict in err, which may wrap one; the reason is then all of err's text.
func asVerdict(err error) verdict {
	if err == nil {
		return verdict{status: abi.StatusDone}
	}
	var v *verdict
	if !errors.As(err, &v) {
		return verdict{status: abi.StatusRetry, reason: err.Error()}
	}
	if error(v) != err {
		return verdict{v.status, v.after, err.Error()}
	}
	return *v
}
