package sgs

import (
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
)

// State is what the plugin keeps in Redis from one message to the next: values under keys, the same for all its
// instances, and for no other plugin.
//
// What is set is written together with what is emitted, when the message is done. If by then another call has
// changed a key that this one has read, nothing is written and the message is handled again. So to read a value,
// change it and set it is safe, however many messages are handled at the same time.
type State struct{ host host }

// firstRead is the room that a value is given before its length is known, in bytes.
const firstRead = 256

// Get returns the value of a key, and whether there is one. What the call itself has set, it sees. A value may be
// as large as 1 MiB, and a call may read 64 keys and 4 MiB.
//
// The error is a *HostError. Where Redis does not answer in time, its number is abi.ErrnoUnavailable: return it, and
// the message is tried again.
func (s State) Get(key string) (value []byte, found bool, err error) {
	for room := firstRead; ; {
		value = make([]byte, room)
		n := s.host.kvGet(key, value)
		switch {
		case n == int32(abi.ErrnoNotFound):
			return nil, false, nil
		case n < 0:
			return nil, false, &HostError{abi.ImportKVGet, abi.Errno(n)}
		case int(n) <= room:
			return value[:n], true, nil
		}
		room = int(n) // the call's view does not change: now it fits
	}
}

// Set keeps a value under a key until it is set again or deleted. A key has 1 to 512 bytes, a value 1 MiB at most, and
// a call may set and delete 64 keys with 4 MiB together. The error is a *HostError.
func (s State) Set(key string, value []byte) error { return s.set(key, value, 0) }

// SetTTL is Set for a value that expires that long after the message is done: in whole milliseconds, at least one and
// at most 3650 days.
func (s State) SetTTL(key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return &HostError{abi.ImportKVSet, abi.ErrnoInvalid}
	}
	return s.set(key, value, max(ttl.Milliseconds(), 1))
}

// Delete removes a key. It is no error if there is none. The error is a *HostError.
func (s State) Delete(key string) error { return s.set(key, nil, -1) }

func (s State) set(key string, value []byte, ttlMS int64) error {
	if errno := s.host.kvSet(key, value, ttlMS); errno < 0 {
		return &HostError{abi.ImportKVSet, errno}
	}
	return nil
}

// HostError is why the daemon refused something of the State, or a Count; errors.As finds it. The daemon's log says
// more.
type HostError struct {
	// Function is the contract's name of what was asked for: kv_get, kv_set or metric_add.
	Function string
	// Errno is abi.ErrnoInvalid, ErrnoDenied, ErrnoLimit, ErrnoCancelled or ErrnoUnavailable.
	Errno abi.Errno
}

// Error implements error, with the number's name.
func (e *HostError) Error() string {
	text := e.Function + ": " + e.Errno.String()
	switch e.Errno {
	case abi.ErrnoInvalid:
		return text + ": the key or name is malformed, or the number out of range"
	case abi.ErrnoDenied:
		return text + ": the operator does not allow it"
	case abi.ErrnoLimit:
		return text + ": too much, or too large"
	case abi.ErrnoCancelled:
		return text + ": the call's deadline has passed, or the message went to another worker"
	case abi.ErrnoUnavailable:
		return text + ": the value could not be read from Redis"
	}
	return text
}
