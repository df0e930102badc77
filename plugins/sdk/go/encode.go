package sgs

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sgstreamd/sgstreamd/abi"
)

// AppendJSON appends a value in JSON, such as the body of a request, to dst. It takes what ParseValue returns, Map's keys
// in their order, and what reduces to that: other sizes of numbers, named types, slices, maps whose keys are text. A []byte
// becomes base64 text; bytes of a text that are not UTF-8 become U+FFFD. Numbers that JSON has not, an Ext, Pairs, and a
// value nested deeper than 256 are errors.
func AppendJSON(dst []byte, v any) ([]byte, error) { return (&jsonWriter{}).value(dst, v, 1) }

// jsonWriter writes JSON.
type jsonWriter struct {
	// tagged is the daemon's JSON: what JSON does not have is in objects such as {"$binary": base64}.
	tagged bool
}

var errNotJSON = errors.New("can't be in JSON")

// members writes an object whose keys are no tags. depth is how many containers of the payload are around it.
func (w *jsonWriter) members(dst []byte, members []member, depth int) ([]byte, error) {
	var err error
	for i, m := range members {
		dst = appendQuoted(append(dst, "{,"[min(i, 1)]), m.key)
		if dst, err = w.value(append(dst, ':'), m.value, depth); err != nil {
			return nil, within(m.key, err)
		}
	}
	return append(dst, '}'), nil
}

// value writes any value.
func (w *jsonWriter) value(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return w.text(dst, v), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case float64:
		return w.float(dst, v)
	case []byte:
		return w.binary(dst, v), nil
	case map[string]any:
		return w.value(dst, Map(v), depth)
	case Ext, packed, Pairs, Map, []any:
		if depth > abi.MaxDepth {
			return nil, errTooDeep()
		}
		return w.composite(dst, v, depth)
	}
	v, err := listed(v)
	if err != nil {
		return nil, err
	}
	return w.value(dst, v, depth)
}

// composite writes a value that holds others, or that JSON does not have.
func (w *jsonWriter) composite(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case Map:
		return w.object(dst, v, depth)
	case []any:
		return w.array(dst, v, depth)
	case Ext:
		if w.tagged {
			dst = strconv.AppendInt(append(dst, `{"$ext":[`...), int64(v.Type), 10)
			dst = base64.StdEncoding.AppendEncode(append(dst, `,"`...), v.Data)
			return append(dst, `"]}`...), nil
		}
	case Pairs:
		if w.tagged {
			return w.pairs(dst, v, depth)
		}
	}
	return nil, errNotJSON
}

func (w *jsonWriter) array(dst []byte, list []any, depth int) ([]byte, error) {
	var err error
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = w.value(dst, v, depth+1); err != nil {
			return nil, within(strconv.Itoa(i), err)
		}
	}
	return append(dst, ']'), nil
}

func (w *jsonWriter) object(dst []byte, m Map, depth int) ([]byte, error) {
	if len(m) == 0 {
		return append(dst, "{}"...), nil
	}
	members := m.sorted()
	if !w.tagged {
		return w.members(dst, members, depth+1)
	}
	for _, member := range members {
		if !utf8.ValidString(member.key) {
			return w.pairs(dst, m.pairs(), depth)
		}
	}
	if len(members) == 1 && strings.HasPrefix(members[0].key, "$") {
		members[0].key = "$" + members[0].key // or it would be taken for a tag
	}
	return w.members(dst, members, depth+1)
}

func (m Map) pairs() Pairs {
	all := make(Pairs, 0, len(m))
	for _, m := range m.sorted() {
		all = append(all, Pair{m.key, m.value})
	}
	return all
}

func (w *jsonWriter) pairs(dst []byte, all Pairs, depth int) ([]byte, error) {
	var err error
	dst = append(dst, `{"$map":[`...)
	for i, p := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = w.value(append(dst, '['), p.Key, depth+1); err != nil {
			return nil, err
		}
		if dst, err = w.value(append(dst, ','), p.Value, depth+1); err != nil {
			return nil, err
		}
		dst = append(dst, ']')
	}
	return append(dst, "]}"...), nil
}

// float writes a float so that it does not come back as an integer.
func (w *jsonWriter) float(dst []byte, n float64) ([]byte, error) {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		if !w.tagged {
			return nil, errNotJSON
		}
		name := "NaN"
		if math.IsInf(n, 1) {
			name = "Infinity"
		} else if math.IsInf(n, -1) {
			name = "-Infinity"
		}
		return append(append(append(dst, `{"$float":"`...), name...), `"}`...), nil
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, n, 'g', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' || c == 'e' {
			return dst, nil
		}
	}
	return append(dst, ".0"...), nil
}

func (w *jsonWriter) text(dst []byte, s string) []byte {
	if w.tagged {
		return appendText(dst, s)
	}
	return appendQuoted(dst, strings.ToValidUTF8(s, "\ufffd"))
}

func (w *jsonWriter) binary(dst, b []byte) []byte {
	if w.tagged {
		return appendBase64(dst, "$binary", b)
	}
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), b), '"')
}

// appendText writes a text in the daemon's JSON.
func appendText(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		return appendBase64(dst, "$str", []byte(s))
	}
	return appendQuoted(dst, s)
}

func appendBase64(dst []byte, tag string, data []byte) []byte {
	dst = append(append(append(dst, `{"`...), tag...), `":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, data), `"}`...)
}

func appendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	plain := 0 // where the characters begin that are not written yet and need no escape
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[plain:i]...)
		plain = i + 1
		if c < ' ' {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, '\\', c)
		}
	}
	return append(append(dst, s[plain:]...), '"')
}
