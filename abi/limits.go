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
)
