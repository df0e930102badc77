package envelope

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/sgstreamd/sgstreamd/abi"
)

// oddMaps holds where those maps begin that can't be a JSON object: a key is not UTF-8 text, or is there twice.
// It is nil for nearly every payload.
type oddMaps map[int]struct{}

// container is an array or a map that the inspector is in.
type container struct {
	at int
	// left is how many values, keys among them, are still to come.
	left  int
	isMap bool
	odd   bool
	// keys is how many keys the inspector had collected before it came here.
	keys int
}

// inspector walks over a msgpack value once, in front of the writer: a streaming writer has to know what a
// map is before it has seen its keys, and looking ahead from every map would cost the square of the depth.
type inspector struct {
	open []container
	keys [][]byte
	odd  oddMaps
}

// inspect checks the value that b holds, to its last byte, and finds its odd maps.
func inspect(b []byte) (oddMaps, error) {
	var (
		openRoom [8]container
		keysRoom [64][]byte
	)
	in := inspector{open: openRoom[:0], keys: keysRoom[:0]}
	at := 0
	for {
		h, err := readHead(b, at)
		if err != nil {
			return nil, err
		}
		if h.kind >= kindArray && len(in.open) == abi.MaxDepth {
			return nil, tooDeep(at)
		}
		in.enter(b, at, h)
		at = h.end
		if in.leave(); len(in.open) == 0 {
			return in.odd, atEnd(b, at)
		}
	}
}

// enter counts the value in the container around it, as a key where it is one, and opens it if it is a container.
func (in *inspector) enter(b []byte, at int, h head) {
	if n := len(in.open); n > 0 {
		around := &in.open[n-1]
		if around.isMap && around.left%2 == 0 {
			key := b[h.body:h.end]
			in.keys = append(in.keys, key)
			around.odd = around.odd || h.kind != kindStr || !utf8.Valid(key)
		}
		around.left--
	}
	if h.kind >= kindArray {
		in.open = append(in.open, container{at: at, left: h.count, isMap: h.kind == kindMap, keys: len(in.keys)})
	}
}

// leave closes every container that is complete.
func (in *inspector) leave() {
	for n := len(in.open); n > 0 && in.open[n-1].left == 0; n-- {
		c := in.open[n-1]
		if c.isMap && (c.odd || repeated(in.keys[c.keys:]) != nil) {
			if in.odd == nil {
				in.odd = oddMaps{}
			}
			in.odd[c.at] = struct{}{}
		}
		in.open, in.keys = in.open[:n-1], in.keys[:c.keys]
	}
}

// repeated returns a key that is there twice, or nil. It may reorder the keys.
func repeated(keys [][]byte) []byte {
	const few = 48
	if len(keys) > few {
		slices.SortFunc(keys, bytes.Compare)
		for i := 1; i < len(keys); i++ {
			if bytes.Equal(keys[i-1], keys[i]) {
				return keys[i]
			}
		}
		return nil
	}
	// Keys that differ here differ, which spares most comparisons.
	var seen [256]bool
	for i, key := range keys {
		s := &seen[summary(key)]
		if *s && slices.ContainsFunc(keys[:i], func(k []byte) bool { return bytes.Equal(k, key) }) {
			return key
		}
		*s = true
	}
	return nil
}

// summary is a cheap number that equal keys share.
func summary(key []byte) byte {
	if len(key) == 0 {
		return 0
	}
	return byte(len(key))*31 + key[0]*7 + key[len(key)-1]*3 + key[len(key)/2]
}
