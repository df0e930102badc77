package abi

import "time"

// StateRead is what a call found in Redis under one key of its plugin's state.
type StateRead struct {
	// Key is the key as the guest names it, 1 to MaxStateKeyBytes bytes of any kind.
	Key string
	// Value is what stood there, at most MaxStateValueBytes; nil unless Found.
	Value []byte
	// Found tells whether there was such a key.
	Found bool
}

// StateWrite is what is to stand in Redis under one key of a plugin's state.
type StateWrite struct {
	// Key is the key as the guest names it, 1 to MaxStateKeyBytes bytes of any kind.
	Key string
	// Value is the value, at most MaxStateValueBytes; it may be empty, and is nil if Delete.
	Value []byte
	// Delete asks for the key's removal.
	Delete bool
	// TTL is how long after the commit the value is to be kept, in whole milliseconds up to MaxStateTTLMS; zero
	// means until it is overwritten.
	TTL time.Duration
}
