package abi

// Limits of one call. A guest that passes one gets ErrnoLimit; a document whose names or nesting pass theirs
// is malformed, which is ErrnoInvalid; a text that is too long is cut. It is never trapped for it.
const (
	// MaxEmits is the number of emits that one call may make.
	MaxEmits = 1000
	// MaxEmitBytes is the size of one emit's document, in bytes.
	MaxEmitBytes = 8 << 20
	// MaxEmitTotalBytes is the size of all documents that one call emits, in bytes.
	MaxEmitTotalBytes = 32 << 20
	// MaxTextBytes is the size of one log line or failure text, in bytes; what is longer is cut.
	MaxTextBytes = 16 << 10
	// MaxDepth is how deep maps and arrays may be nested in a document.
	MaxDepth = 256
	// MaxNameBytes is the length of a platform's or stream's name in an emit, in bytes.
	MaxNameBytes = 256
	// MaxStateKeyBytes is the length of a key of a plugin's state, in bytes. It has at least one.
	MaxStateKeyBytes = 512
	// MaxStateValueBytes is the size of one value of a plugin's state, in bytes.
	MaxStateValueBytes = 1 << 20
	// MaxStateReads is the number of keys that one call may read from Redis.
	MaxStateReads = 64
	// MaxStateReadBytes is the size of all keys and values that one call reads from Redis, in bytes.
	MaxStateReadBytes = 4 << 20
	// MaxStateWrites is the number of keys that one call may set or delete.
	MaxStateWrites = 64
	// MaxStateWriteBytes is the size of all keys and values that one call leaves to be written, in bytes.
	MaxStateWriteBytes = 4 << 20
	// MaxStateTTLMS is the longest time to live of a value, in milliseconds: 3650 days.
	MaxStateTTLMS = 3650 * 24 * 60 * 60 * 1000
	// MaxCounters is the number of names that one plugin may count under in the life of a daemon.
	MaxCounters = 100
	// MaxCounterNameBytes is the length of such a name, in bytes.
	MaxCounterNameBytes = 64
	// MaxRequests is the number of HTTP requests that one call may make.
	MaxRequests = 100
	// MaxRequestBytes is the size of a request's document, in bytes; its body has the operator's limit besides.
	MaxRequestBytes = 32 << 20
	// MaxURLBytes is the length of a request's URL, in bytes.
	MaxURLBytes = 8 << 10
)
