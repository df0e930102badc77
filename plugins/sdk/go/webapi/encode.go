package webapi

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

// maxDepth is how deep lists and objects may be nested in what Encode writes.
const maxDepth = 256

// Encode writes JSON, the keys of objects in order. A value is nil, a bool, string, int, int64, uint64, float64, []any,
// []string or sgs.Map; anything else is an error. What is not UTF-8 in a text becomes U+FFFD.
//
// It exists because encoding/json would add a megabyte to a module.
func Encode(v any) ([]byte, error) { return appendJSON(nil, v, 0) }

func appendJSON(dst []byte, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errors.New("nested deeper than " + strconv.Itoa(maxDepth))
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendText(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errors.New("JSON has no such number")
		}
		return strconv.AppendFloat(dst, v, 'g', -1, 64), nil
	case []string:
		list := make([]any, 0, len(v))
		for _, s := range v {
			list = append(list, s)
		}
		return appendList(dst, list, depth)
	case []any:
		return appendList(dst, v, depth)
	case sgs.Map:
		return appendObject(dst, v, depth)
	}
	return nil, errors.New("JSON has no such value")
}

func appendList(dst []byte, list []any, depth int) ([]byte, error) {
	var err error
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, v, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendObject(dst []byte, m sgs.Map, depth int) ([]byte, error) {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var err error
	dst = append(dst, '{')
	for i, key := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(append(appendText(dst, key), ':'), m[key], depth+1); err != nil {
			return nil, errors.New(key + ": " + err.Error())
		}
	}
	return append(dst, '}'), nil
}

func appendText(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r < ' ' || r == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// Segment escapes a text for a URL's path, where it is one segment.
func Segment(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_~", c) >= 0 || c == '.' && s != "." && s != ".." {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
