package sgs

import (
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/sgstreamd/sgstreamd/abi"
)

// appendPacked writes a map in msgpack, with the members in their order.
func appendPacked(dst []byte, members []member, depth int) ([]byte, error) {
	dst = appendMapHeader(dst, len(members))
	var err error
	for i := range members {
		dst = appendStr(dst, members[i].key)
		if dst, err = appendPackedValue(dst, members[i].value, depth); err != nil {
			return nil, within(members[i].key, err)
		}
	}
	return dst, nil
}

// appendPackedValue writes a value in msgpack. depth is how many containers of the payload are around it.
func appendPackedValue(dst []byte, v any, depth int) ([]byte, error) {
	if depth > abi.MaxDepth {
		return nil, errTooDeep()
	}
	switch v := v.(type) {
	case string:
		return appendStr(dst, v), nil
	case packed:
		return append(dst, v...), nil
	case nil:
		return append(dst, 0xc0), nil
	case bool:
		if v {
			return append(dst, 0xc3), nil
		}
		return append(dst, 0xc2), nil
	case int:
		return appendInt(dst, int64(v)), nil
	case int64:
		return appendInt(dst, v), nil
	case uint64:
		return appendUint(dst, v), nil
	case float64:
		return binary.BigEndian.AppendUint64(append(dst, 0xcb), math.Float64bits(v)), nil
	case []byte:
		return appendBin(dst, v), nil
	case Ext:
		return appendExt(dst, v), nil
	case Map:
		return appendPacked(dst, v.sorted(), depth+1)
	case map[string]any:
		return appendPacked(dst, Map(v).sorted(), depth+1)
	case []any:
		var err error
		dst = appendArrayHeader(dst, len(v))
		for i := range v {
			if dst, err = appendPackedValue(dst, v[i], depth+1); err != nil {
				return nil, within(strconv.Itoa(i), err)
			}
		}
		return dst, nil
	case Pairs:
		var err error
		dst = appendMapHeader(dst, len(v))
		for _, p := range v {
			if dst, err = appendPackedValue(dst, p.Key, depth+1); err != nil {
				return nil, err
			}
			if dst, err = appendPackedValue(dst, p.Value, depth+1); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	v, err := listed(v)
	if err != nil {
		return nil, err
	}
	return appendPackedValue(dst, v, depth)
}

func errTooDeep() error { return errors.New("nested deeper than " + strconv.Itoa(abi.MaxDepth)) }

// within says in an error where in a value the trouble is.
func within(key string, err error) error { return errors.New(key + ": " + err.Error()) }

// sorted returns the members in the order of their keys, so that the same map is the same document every time.
func (m Map) sorted() []member {
	members := make([]member, 0, len(m))
	for key, v := range m {
		members = append(members, member{key, v})
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	return members
}

// listed turns a value of another Go type into one of those that Map lists: other sizes of numbers, named types, and
// slices and maps of types.
func listed(value any) (any, error) {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return v.Uint(), nil
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes(), nil
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = v.Index(i).Interface()
		}
		return list, nil
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			m := make(Map, v.Len())
			for it := v.MapRange(); it.Next(); {
				m[it.Key().String()] = it.Value().Interface()
			}
			return m, nil
		}
	}
	return nil, errors.New("a value of type " + reflect.TypeOf(value).String() + " can't be in a payload")
}

func appendStr(dst []byte, s string) []byte {
	if len(s) >= 32 {
		return appendLongStr(dst, s)
	}
	return append(append(dst, 0xa0|byte(len(s))), s...)
}

// appendLongStr is appendStr for what is longer than most; the compiler keeps it out of the way.
//
//go:noinline
func appendLongStr(dst []byte, s string) []byte { return append(appendLength(dst, 0xd9, len(s)), s...) }

func appendBin(dst, b []byte) []byte { return append(appendLength(dst, 0xc4, len(b)), b...) }

func appendExt(dst []byte, e Ext) []byte {
	if i := slices.Index([]int{1, 2, 4, 8, 16}, len(e.Data)); i >= 0 {
		dst = append(dst, 0xd4+byte(i))
	} else {
		dst = appendLength(dst, 0xc7, len(e.Data))
	}
	return append(append(dst, byte(e.Type)), e.Data...)
}

// appendLength writes a length of as few bytes as hold it; first is the first byte for a length of one byte.
func appendLength(dst []byte, first byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(dst, first, byte(n))
	case n <= math.MaxUint16:
		return append(dst, first+1, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, first+2), uint32(n))
}

func appendMapHeader(dst []byte, n int) []byte {
	if n < 16 {
		return append(dst, 0x80|byte(n))
	}
	return appendCount(dst, 0xde, n)
}

func appendArrayHeader(dst []byte, n int) []byte {
	if n < 16 {
		return append(dst, 0x90|byte(n))
	}
	return appendCount(dst, 0xdc, n)
}

func appendCount(dst []byte, first byte, n int) []byte {
	if n <= math.MaxUint16 {
		return append(dst, first, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, first+1), uint32(n))
}

func appendInt(dst []byte, n int64) []byte {
	switch {
	case n >= 0:
		return appendUint(dst, uint64(n))
	case n >= -32:
		return append(dst, byte(n))
	case n >= math.MinInt8:
		return append(dst, 0xd0, byte(n))
	case n >= math.MinInt16:
		return append(dst, 0xd1, byte(n>>8), byte(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(n))
}

func appendUint(dst []byte, n uint64) []byte {
	switch {
	case n < 0x80:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, 0xcc, byte(n))
	case n <= math.MaxUint16:
		return append(dst, 0xcd, byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcf), n)
}
