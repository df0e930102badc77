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
	// Payload is the message itself; never nil where a function handles it. In a test it is a Map.
	Payload Object
}

// Text returns a text of the payload, as Object.Text does.
func (m *Message) Text(key string) string { return m.Payload.Text(key) }

// inbox is a message on its way to the plugin's function, in memory that serves one after the other.
type inbox struct {
	message Message
	payload view
}

// open reads the document of sgs_handle. Every text of the message is a part of the document.
func (in *inbox) open(k codec, doc string) error {
	in.message = Message{}
	if k == codecJSON {
		return in.openJSON(doc)
	}
	at, values := head(doc, 0)
	for n := values / 2; n > 0; n-- {
		keyAt := at
		if at = skipOne(doc, keyAt); at < 0 {
			return errCut
		}
		key, _ := textAt(doc, keyAt, at)
		valueAt := at
		if key == "payload" {
			at = in.payload.set(doc, valueAt)
			in.message.Payload = &in.payload
		} else if at = skipOne(doc, valueAt); at >= 0 {
			in.set(key, doc, valueAt, at)
		}
		if at < 0 {
			return errCut
		}
	}
	switch {
	case at != len(doc):
		return errCut
	case in.message.Payload == nil:
		return errNoPayload
	}
	return nil
}

var (
	errCut       = errors.New("the message's document is cut or malformed")
	errNoPayload = errors.New("the message's document has no payload")
)

// set takes one entry of the document, whose value is between two offsets.
func (in *inbox) set(key, doc string, at, end int) {
	m := &in.message
	text, _ := textAt(doc, at, end)
	switch key {
	case "stream":
		m.Stream = text
	case "id":
		m.ID = text
	case "attempt":
		m.Attempt = integerAt(doc, at, end)
	case "ts":
		m.TS = floatAt(doc, at, end)
	case "trace_id":
		m.TraceID = text
	case "platform":
		m.Platform = text
	case "channel_key":
		m.ChannelKey = text
	case "maybe_delivered":
		m.MaybeDelivered = doc[at] == 0xc3
	}
}

func (in *inbox) openJSON(doc string) error {
	d, err := codecJSON.read(doc)
	if err != nil {
		return err
	}
	payload, err := d.payload()
	if err != nil {
		return err
	}
	in.message = Message{
		Stream: d.Text("stream"), ID: d.Text("id"), Attempt: d.Int("attempt"), TS: d.Float("ts"), TraceID: d.Text("trace_id"),
		Platform: d.Text("platform"), ChannelKey: d.Text("channel_key"),
		MaybeDelivered: d.Bool("maybe_delivered"), Payload: payload,
	}
	return nil
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
	return nil, errNoPayload
}

// document is the inverse of inbox.open.
func (m *Message) document(k codec) ([]byte, error) {
	payload := Map{}
	if m.Payload != nil {
		payload = m.Payload.All()
	}
	members := []member{
		{"stream", m.Stream}, {"id", m.ID}, {"attempt", m.Attempt}, {"ts", m.TS}, {"trace_id", m.TraceID},
		{"platform", m.Platform}, {"channel_key", m.ChannelKey},
	}
	if m.MaybeDelivered {
		members = append(members, member{"maybe_delivered", true})
	}
	return k.appendMembers(nil, append(members, member{"payload", payload})...)
}

// Map is an object. Its values, when they come from a message, are nil, bool, int64, uint64 (only what
// an int64 can't hold), float64, string, []byte, Ext, []any, Map and Pairs. In an emit there may also be the other
// sizes of number, map[string]any, slices of all these, and what Object.Raw returns.
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

// Text implements Object. So do the other getters.
func (m Map) Text(key string) string { return is[string](m[key]) }

// Bool implements Object.
func (m Map) Bool(key string) bool { return is[bool](m[key]) }

// Int implements Object.
func (m Map) Int(key string) int64 { return is[int64](m[key]) }

// Uint implements Object.
func (m Map) Uint(key string) uint64 { return unsigned(m[key]) }

// Float implements Object.
func (m Map) Float(key string) float64 { return number(m[key]) }

// Bytes implements Object.
func (m Map) Bytes(key string) []byte { return is[[]byte](m[key]) }

// Map implements Object.
func (m Map) Map(key string) Map { return is[Map](m[key]) }

// List implements Object.
func (m Map) List(key string) []any { return is[[]any](m[key]) }

// Value implements Object.
func (m Map) Value(key string) any { return m[key] }

// Raw implements Object.
func (m Map) Raw(key string) any { return m[key] }

// All implements Object: it returns the Map itself.
func (m Map) All() Map { return m }
