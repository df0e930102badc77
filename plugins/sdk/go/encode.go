package sgs

import (
	"encoding/base64"
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sgstreamd/sgstreamd/abi"
)

// member is one member of an object whose keys are in order.
type member struct {
	key   string
	value any
}

// appendMembers writes an object of the contract, whose keys are no tags. depth is how many containers of the
// payload are around it.
func appendMembers(dst []byte, members []member, depth int) ([]byte, error) {
	var err error
	for i, m := range members {
		dst = appendQuoted(append(dst, "{,"[min(i, 1)]), m.key)
		if dst, err = appendValue(append(dst, ':'), m.value, depth); err != nil {
			return nil, errors.New(m.key + ": " + err.Error())
		}
	}
	return append(dst, '}'), nil
}

// appendValue writes a value in the daemon's JSON.
func appendValue(dst []byte, v any, depth int) ([]byte, error) {
	if depth > abi.MaxDepth {
		return nil, errors.New("nested deeper than " + strconv.Itoa(abi.MaxDepth))
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return appendText(dst, v), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return appendFloat(dst, v), nil
	case []byte:
		return appendBase64(dst, "$binary", string(v)), nil
	case Ext:
		dst = strconv.AppendInt(append(dst, `{"$ext":[`...), int64(v.Type), 10)
		dst = base64.StdEncoding.AppendEncode(append(dst, `,"`...), v.Data)
		return append(dst, `"]}`...), nil
	case Map:
		return appendMap(dst, v, depth)
	case map[string]any:
		return appendMap(dst, v, depth)
	case Pairs:
		return appendPairs(dst, v, depth)
	}
	return appendReflected(dst, reflect.ValueOf(v), depth)
}

// appendReflected writes the types that appendValue does not list: other sizes, named types, typed slices and maps.
func appendReflected(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	switch v.Kind() {
	case reflect.String:
		return appendText(dst, v.String()), nil
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(dst, v.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(dst, v.Float()), nil
	case reflect.Slice, reflect.Array:
		return appendList(dst, v, depth)
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			m := make(Map, v.Len())
			for it := v.MapRange(); it.Next(); {
				m[it.Key().String()] = it.Value().Interface()
			}
			return appendMap(dst, m, depth)
		}
	}
	return nil, errors.New("a value of type " + v.Type().String() + " can't be in a payload")
}

func appendList(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	var err error
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendValue(dst, v.Index(i).Interface(), depth+1); err != nil {
			return nil, errors.New(strconv.Itoa(i) + ": " + err.Error())
		}
	}
	return append(dst, ']'), nil
}

// appendMap writes the keys in their order, so that the same map is the same text every time.
func appendMap(dst []byte, m Map, depth int) ([]byte, error) {
	if len(m) == 0 {
		return append(dst, "{}"...), nil
	}
	members, odd := make([]member, 0, len(m)), false
	for key, v := range m {
		odd = odd || !utf8.ValidString(key)
		members = append(members, member{key, v})
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	if odd {
		all := make(Pairs, 0, len(members))
		for _, m := range members {
			all = append(all, Pair{m.key, m.value})
		}
		return appendPairs(dst, all, depth)
	}
	if len(members) == 1 && strings.HasPrefix(members[0].key, "$") {
		members[0].key = "$" + members[0].key // or it would be taken for a tag
	}
	return appendMembers(dst, members, depth+1)
}

func appendPairs(dst []byte, all Pairs, depth int) ([]byte, error) {
	var err error
	dst = append(dst, `{"$map":[`...)
	for i, p := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendValue(append(dst, '['), p.Key, depth+1); err != nil {
			return nil, err
		}
		if dst, err = appendValue(append(dst, ','), p.Value, depth+1); err != nil {
			return nil, err
		}
		dst = append(dst, ']')
	}
	return append(dst, "]}"...), nil
}

// appendFloat writes a float so that it does not come back as an integer.
func appendFloat(dst []byte, n float64) []byte {
	switch {
	case math.IsNaN(n):
		return append(dst, `{"$float":"NaN"}`...)
	case math.IsInf(n, 1):
		return append(dst, `{"$float":"Infinity"}`...)
	case math.IsInf(n, -1):
		return append(dst, `{"$float":"-Infinity"}`...)
	}
	text := strconv.FormatFloat(n, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return append(dst, text...)
}

func appendText(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		return appendBase64(dst, "$str", s)
	}
	return appendQuoted(dst, s)
}

func appendBase64(dst []byte, tag, data string) []byte {
	dst = append(append(append(dst, `{"`...), tag...), `":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, []byte(data))
	return append(dst, `"}`...)
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
