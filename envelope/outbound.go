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

// defaultField is a field that every outbound payload has.
type defaultField struct {
	key, value string
	// found is set once the payload turns out to have the key.
	found bool
}

// Normalize makes an emit's payload a well-formed outbound payload: it sets message_key and trace_id, and
// platform for an emit that names one, where they are absent, nil or the empty text. Everything else stays
// byte for byte as it was. trace is the trace id that the payload ends up with, or traceID where the payload has
// something other than text there.
func Normalize(e abi.Emit, messageKey, traceID string) (payload []byte, trace string, err error) {
	defaults := []defaultField{{key: keyMessageKey, value: messageKey}, {key: keyTraceID, value: traceID}}
	if e.Platform != "" {
		defaults = append(defaults, defaultField{key: keyPlatform, value: e.Platform})
	}
	trace = traceID
	// The body is written behind the room for its head, which needs the number of fields.
	payload = make([]byte, maxMapHead, maxMapHead+len(e.Payload)+len(messageKey)+len(traceID)+len(e.Platform)+48)
	n, err := readDocument(e.Payload, 1, func(f field) error {
		payload = appendField(payload, f, defaults)
		if text, ok := f.text(); ok && text != "" && string(f.key) == keyTraceID {
			trace = text
		}
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("payload %w", err)
	}
	for _, d := range defaults {
		if !d.found {
			payload = msgp.AppendString(msgp.AppendString(payload, d.key), d.value)
			n++
		}
	}
	var room [maxMapHead]byte
	top := msgp.AppendMapHeader(room[:0], uint32(n))
	start := maxMapHead - len(top)
	copy(payload[start:], top)
	return payload[start:], trace, nil
}

// appendField appends the field as it is, or with its default in the place of nothing.
func appendField(dst []byte, f field, defaults []defaultField) []byte {
	dst = append(dst, f.encodedKey...)
	for i := range defaults {
		if d := &defaults[i]; string(f.key) == d.key {
			d.found = true
			if text, ok := f.text(); msgp.IsNil(f.value) || ok && text == "" {
				return msgp.AppendString(dst, d.value)
			}
		}
	}
	return append(dst, f.value...)
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
