package envelope

import (
	"fmt"
	"strconv"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

// maxMapHead is the size of the longest head of a map.
const maxMapHead = 5

// Normalize makes an emit's payload a well-formed outbound payload: it sets message_key and trace_id, and
// platform for an emit that names one, where they are absent, nil or the empty text. Everything else stays
// byte for byte as it was. trace is the trace id that the payload ends up with, or traceID where the payload has
// something other than text there.
func Normalize(e abi.Emit, messageKey, traceID string) (payload []byte, trace string, err error) {
	const fixed = maxMapHead + 48 // the keys, and the heads of their values
	w := outbound{
		defaults: [...]defaultField{{key: keyMessageKey, value: messageKey}, {key: keyTraceID, value: traceID}, {key: keyPlatform, value: e.Platform}},
		used:     3,
		// The body is written behind the room for its head, which needs the number of fields.
		dst: make([]byte, maxMapHead, fixed+len(e.Payload)+len(messageKey)+len(traceID)+len(e.Platform)),
	}
	if e.Platform == "" {
		w.used = 2
	}
	d := openDocument(e.Payload, 1)
	trace, done := traceID, d.after
	for d.next() {
		if w.fillIn(&d.field, done) {
			done = d.after
		}
		if string(d.key()) == keyTraceID {
			trace = textOr(&d.field, trace)
		}
	}
	if err := d.end(); err != nil {
		return nil, "", fmt.Errorf("payload %w", err)
	}
	w.dst = append(w.dst, e.Payload[done:]...)
	return w.finish(d.count), trace, nil
}

// textOr is the field's text, or the other one where it has none or an empty one.
func textOr(f *field, other string) string {
	if text, ok := f.text(); ok && len(text) > 0 && string(text) != other {
		return string(text)
	}
	return other
}

// outbound is an outbound payload as far as it has been written.
type outbound struct {
	dst      []byte
	defaults [3]defaultField
	used     int // of them; an emit to a stream has no platform
}

// defaultField is a field that every outbound payload has.
type defaultField struct {
	key, value string
	// found is set once the payload turns out to have the key.
	found bool
}

// fillIn writes the default of a field that has one, and nothing in its place, behind all that lies before it from done on.
// Otherwise it writes nothing, and returns false.
func (w *outbound) fillIn(f *field, done int) bool {
	for i := range w.used {
		d := &w.defaults[i]
		if string(f.key()) != d.key {
			continue
		}
		d.found = true
		if text, ok := f.text(); msgp.IsNil(f.value()) || ok && len(text) == 0 {
			w.dst = msgp.AppendString(append(w.dst, f.in[done:f.at]...), d.value)
			return true
		}
	}
	return false
}

// finish adds the fields that n others lack, and the head.
func (w *outbound) finish(n int) []byte {
	for _, d := range w.defaults[:w.used] {
		if !d.found {
			w.dst = msgp.AppendString(msgp.AppendString(w.dst, d.key), d.value)
			n++
		}
	}
	var room [maxMapHead]byte
	top := msgp.AppendMapHeader(room[:0], uint32(n))
	start := maxMapHead - len(top)
	copy(w.dst[start:], top)
	return w.dst[start:]
}

// MessageKey is the idempotency key of the nth emit, counted from 0, of the message with that stream and id.
// It is the same whenever the message is handled again.
func MessageKey(stream, id string, n int) string {
	return "sgs:" + stream + ":" + id + ":" + strconv.Itoa(n)
}

// FormatTS writes a moment as the field ts has it: Unix seconds as decimal text, to the microsecond.
func FormatTS(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMicro())/1e6, 'f', 6, 64)
}
