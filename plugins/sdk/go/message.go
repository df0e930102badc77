package sgs

import "errors"

// Message is one entry of a stream.
type Message struct {
	// Stream is the key of the stream, and ID the entry's id in it.
	Stream, ID string
	// Attempt counts the deliveries of the message: 1 on the first try.
	Attempt int64
	// TS is when the entry was enqueued, in Unix seconds.
	TS float64
	// TraceID names the operation that the message belongs to; it may be empty.
	TraceID string
	// Platform is the chat platform that the message came from or goes to; it may be empty.
	Platform string
	// ChannelKey names the channel in the whole fleet, such as "discord:42"; it may be empty.
	ChannelKey string
	// MaybeDelivered tells an adapter that an earlier try of the same message_key was begun, and that nobody knows whether
	// it was delivered: it may have reached the platform.
	MaybeDelivered bool
	// Payload is the message itself.
	Payload Map
}

// Text returns a text of the payload, as Map.Text does.
func (m *Message) Text(key string) string { return m.Payload.Text(key) }

// parseMessage reads the document of sgs_handle.
func parseMessage(doc []byte) (*Message, error) {
	d, err := Parse(doc)
	if err != nil {
		return nil, err
	}
	payload, err := d.payload()
	if err != nil {
		return nil, err
	}
	return &Message{
		Stream: d.Text("stream"), ID: d.Text("id"), Attempt: d.Int("attempt"), TS: d.Float("ts"), TraceID: d.Text("trace_id"),
		Platform: d.Text("platform"), ChannelKey: d.Text("channel_key"),
		MaybeDelivered: d.Bool("maybe_delivered"), Payload: payload,
	}, nil
}

// payload returns the payload of a message's document. Its keys are text; of one that is there twice, the last
// counts, as in most languages.
func (m Map) payload() (Map, error) {
	switch p := m["payload"].(type) {
	case Map:
		return p, nil
	case Pairs:
		folded := Map{}
		for _, pair := range p {
			if key, ok := pair.Key.(string); ok {
				folded[key] = pair.Value
			}
		}
		return folded, nil
	}
	return nil, errors.New("the message's document has no payload")
}

// document is the inverse of parseMessage.
func (m *Message) document() ([]byte, error) {
	payload := m.Payload
	if payload == nil {
		payload = Map{}
	}
	members := []member{
		{"stream", m.Stream}, {"id", m.ID}, {"attempt", m.Attempt}, {"ts", m.TS}, {"trace_id", m.TraceID},
		{"platform", m.Platform}, {"channel_key", m.ChannelKey},
	}
	if m.MaybeDelivered {
		members = append(members, member{"maybe_delivered", true})
	}
	return appendMembers(nil, append(members, member{"payload", payload}), 0)
}

// Map is an object of a payload. Its values, when they come from a message, are nil, bool, int64, uint64 (only what
// an int64 can't hold), float64, string, []byte, Ext, []any, Map and Pairs. In an emit there may also be the other
// sizes of number, map[string]any and slices of all these.
type Map map[string]any

// Ext is a value of a msgpack extension type, such as -1 for a timestamp.
type Ext struct {
	Type int8
	Data []byte
}

// Pairs is an object that no Map can hold, because a key is not text or is there twice.
type Pairs []Pair

// Pair is one entry of Pairs.
type Pair struct{ Key, Value any }

// Text returns the text under the key, or "" if there is none.
func (m Map) Text(key string) string { return as[string](m, key) }

// Bool returns the boolean under the key, or false if there is none.
func (m Map) Bool(key string) bool { return as[bool](m, key) }

// Int returns the integer under the key, or 0 if there is none or it does not fit.
func (m Map) Int(key string) int64 { return as[int64](m, key) }

// Uint returns the integer under the key, or 0 if there is none or it is negative.
func (m Map) Uint(key string) uint64 {
	if n := as[int64](m, key); n > 0 {
		return uint64(n)
	}
	return as[uint64](m, key)
}

// Float returns the number under the key, integer or not, or 0 if there is none.
func (m Map) Float(key string) float64 {
	switch n := m[key].(type) {
	case float64:
		return n
	case int64:
		return float64(n)
	case uint64:
		return float64(n)
	}
	return 0
}

// Bytes returns the binary value under the key, or nil if there is none.
func (m Map) Bytes(key string) []byte { return as[[]byte](m, key) }

// Map returns the object under the key, or nil if there is none. Its getters work on nil.
func (m Map) Map(key string) Map { return as[Map](m, key) }

// List returns the array under the key, or nil if there is none.
func (m Map) List(key string) []any { return as[[]any](m, key) }

// as returns the value under the key if it is a T, and T's zero value otherwise.
func as[T any](m Map, key string) T {
	v, _ := m[key].(T)
	return v
}
