// Package envelope translates between stream entries of the Stargazer contract and the messages of package
// abi: msgpack in the field "data", JSON or msgpack for the plugins.
//
// Both translations are exact: what a payload holds comes back from a plugin with its types, in either codec.
// Nothing here recurses deeper than abi.MaxDepth or reserves memory for a length that the input does not have.
package envelope

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Names of a stream entry's fields.
const (
	// FieldData holds the payload.
	FieldData = "data"
	// FieldTS holds the moment at which the entry was enqueued, as FormatTS writes it.
	FieldTS = "ts"
	// FieldTraceID holds the trace id; it may be empty.
	FieldTraceID = "trace_id"
)

// Keys of a payload that the daemon reads or writes.
const (
	keyPlatform   = "platform"
	keyChannelKey = "channel_key"
	keyTraceID    = "trace_id"
	keyMessageKey = "message_key"
	keyAddressed  = "is_addressed"
	keyEnqueuedAt = "enqueued_at"
)

// Fields are the names and values of a stream entry, in turn. Where it has a name twice, the last one counts.
type Fields []string

// Get returns the value of a name, or the empty text where there is none.
func (f Fields) Get(name string) string {
	for i := len(f) - 2; i >= 0; i -= 2 {
		if f[i] == name {
			return f[i+1]
		}
	}
	return ""
}

// Names returns the names, each once, in the order of their bytes.
func (f Fields) Names() []string {
	names := make([]string, 0, len(f)/2)
	for i := 0; i+1 < len(f); i += 2 {
		names = append(names, f[i])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Entry is what a stream entry says, decoded.
type Entry struct {
	// Message is what a plugin gets to see. Its Payload shares the memory of the entry's field and must not
	// be written to.
	Message abi.Message
	// Addressed tells whether the payload's is_addressed is true.
	Addressed bool
	// MessageKey is the payload's idempotency key; outbound entries have one.
	MessageKey string
	// EnqueuedAt is the payload's enqueued_at in Unix seconds, or the message's TS where it has none.
	EnqueuedAt float64
}

// Decode checks and reads one entry of a stream. A payload of more than maxPayload bytes is an error.
//
// What the payload lacks, or has with another type than the contract's, is empty in the Entry: that is for
// the plugin to judge. With an error the Entry still has what lies outside of the payload.
func Decode(stream, id string, attempt int64, fields Fields, maxPayload int) (Entry, error) {
	e := Entry{Message: abi.Message{Stream: stream, ID: id, Attempt: attempt, TS: enqueued(fields.Get(FieldTS), id)}}
	if trace := fields.Get(FieldTraceID); utf8.ValidString(trace) {
		e.Message.TraceID = trace
	}
	e.EnqueuedAt = e.Message.TS
	data := fields.Get(FieldData)
	if data == "" && !slices.Contains(fields.Names(), FieldData) {
		return e, missingData(fields)
	}
	if len(data) > maxPayload {
		return e, fmt.Errorf("payload is %d bytes, more than the limit of %d", len(data), maxPayload)
	}
	read := e
	// The bytes of a string without a copy: nothing writes to a payload.
	read.Message.Payload = unsafe.Slice(unsafe.StringData(data), len(data))
	d := openDocument(read.Message.Payload, 1)
	for d.next() {
		read.fact(&d.field, data)
	}
	if err := d.end(); err != nil {
		return e, fmt.Errorf("payload %w", err)
	}
	return read, nil
}

// fact takes from one field of the payload what the daemon needs to know. data is the payload, which texts share.
func (e *Entry) fact(f *field, data string) {
	switch string(f.key()) {
	case keyPlatform:
		e.Message.Platform = f.textOf(data)
	case keyChannelKey:
		e.Message.ChannelKey = f.textOf(data)
	case keyTraceID:
		if e.Message.TraceID == "" {
			e.Message.TraceID = f.textOf(data)
		}
	case keyMessageKey:
		e.MessageKey = f.textOf(data)
	case keyAddressed:
		e.Addressed, _, _ = msgp.ReadBoolBytes(f.value())
	case keyEnqueuedAt:
		if n, ok := number(f.value()); ok {
			e.EnqueuedAt = n
		}
	}
}

// textOf is the field's text as a part of its document, which is doc. It is empty where the field has none.
func (f *field) textOf(doc string) string {
	text, _ := f.text()
	return doc[f.after-len(text) : f.after] // a text ends where its value does
}

// number reads an integer or a finite float.
func number(value []byte) (float64, bool) {
	switch h, _ := readHead(value, 0); h.kind {
	case kindFloat:
		n, _, err := msgp.ReadFloat64Bytes(value)
		return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
	case kindInt:
		if n, _, err := msgp.ReadInt64Bytes(value); err == nil {
			return float64(n), true
		}
		n, _, err := msgp.ReadUint64Bytes(value)
		return float64(n), err == nil
	}
	return 0, false
}

// enqueued reads the field ts, or where that is no decimal number the milliseconds in the entry's id.
func enqueued(ts, id string) float64 {
	if isDecimal(ts) {
		if n, err := strconv.ParseFloat(ts, 64); err == nil && n >= 0 {
			return n
		}
	}
	ms, _, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(ms, 10, 64)
	if err != nil {
		return 0
	}
	return float64(n) / 1000
}

// isDecimal tells whether a text has nothing in it that a decimal number can't have.
func isDecimal(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-' {
			return false
		}
	}
	return s != ""
}

// missingData names the fields that are there, as far as a line has room for them.
func missingData(fields Fields) error {
	if len(fields) == 0 {
		return fmt.Errorf("the entry has no field %q, and no other", FieldData)
	}
	const room = 8
	names := fields.Names()
	for i, name := range names {
		names[i] = strconv.Quote(name[:min(len(name), 64)])
	}
	slices.Sort(names)
	more := ""
	if len(names) > room {
		more = fmt.Sprintf(" and %d more", len(names)-room)
		names = names[:room]
	}
	return fmt.Errorf("the entry has no field %q (it has %s%s)", FieldData, strings.Join(names, ", "), more)
}
