package abi

// Message is one stream entry, decoded as far as the daemon needs it.
type Message struct {
	// Stream is the key of the stream that the entry was read from.
	Stream string
	// ID is the entry's id in that stream, such as "1700000000000-0".
	ID string
	// Attempt is Redis's delivery count of the entry: 1 on the first try.
	Attempt int64
	// TS is the moment at which the entry was enqueued, in Unix seconds.
	TS float64
	// TraceID names the operation that the message belongs to; it may be empty.
	TraceID string
	// Platform is the chat platform that the message came from or goes to; it may be empty.
	Platform string
	// ChannelKey names the channel in the whole fleet, such as "discord:42"; it may be empty.
	ChannelKey string
	// MaybeDelivered tells an adapter that an earlier try of the same message_key was begun, and that nobody knows whether
	// it was delivered.
	MaybeDelivered bool
	// Payload is the message itself: one msgpack map with text keys, byte for byte as it was on the stream.
	Payload []byte
}

// Emit is one entry that a plugin asks the daemon to write. Exactly one of Platform and Stream is set.
type Emit struct {
	// Platform is the chat platform whose outbound stream the entry goes to.
	Platform string
	// Stream is the key of a stream that the operator allows the plugin to write to.
	Stream string
	// Payload is one msgpack map with text keys.
	Payload []byte
}

// Codec writes what a guest reads and reads what it writes, in the encoding that its manifest names.
// An implementation is safe for concurrent use and keeps none of the slices that it is given.
type Codec interface {
	// AppendMessage appends the message's document (stream, id, attempt, ts, trace_id, platform,
	// channel_key, maybe_delivered where it is true, payload) to dst.
	AppendMessage(dst []byte, m *Message) ([]byte, error)
	// AppendJSON appends a JSON document in the guest's encoding to dst. It serves the plugin's configuration and the
	// head of a response.
	AppendJSON(dst, json []byte) ([]byte, error)
	// DecodeEmit reads the document of an emit. Its error says what is wrong in words for the guest's author.
	DecodeEmit(doc []byte) (Emit, error)
	// DecodeRequest reads the document of an HTTP request. Its error says what is wrong in words for the guest's author.
	DecodeRequest(doc []byte) (Request, error)
}
