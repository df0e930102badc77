//go:build !wasip1

package sgs

import (
	"slices"
	"strings"
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Write is what a function has set or deleted in its State.
type Write struct {
	Key string
	// Value is the value; nil if Delete.
	Value []byte
	// Delete tells that the key was removed.
	Delete bool
	// TTL is for how long the value is kept, or 0 for as long as it is not overwritten.
	TTL time.Duration
}

// TestState is Test for a plugin that finds the state there, by key, and leaves it as the daemon does: with what the
// function has set if the message is done, and else as it was. Nothing expires in it. One map given to test after
// test is the plugin's memory.
func TestState(state map[string]string, m Message) Result { return TestIn(World{State: state}, m) }

// commit brings what was set to the state.
func (r *recorder) commit() {
	for _, w := range r.result.Writes {
		if w.Delete {
			delete(r.state, w.Key)
		} else {
			r.state[w.Key] = string(w.Value)
		}
	}
}

func (r *recorder) written(key string) int {
	return slices.IndexFunc(r.result.Writes, func(w Write) bool { return w.Key == key })
}

func (r *recorder) kvGet(key string, buf []byte) int32 {
	if errno := r.checkKey(abi.ImportKVGet, key); errno != abi.ErrnoOK {
		return int32(errno)
	}
	value, found := r.state[key]
	if i := r.written(key); i >= 0 {
		value, found = string(r.result.Writes[i].Value), !r.result.Writes[i].Delete
	} else if !r.reads[key] {
		size := len(key) + len(value)
		if len(r.reads) == abi.MaxStateReads || r.readBytes+size > abi.MaxStateReadBytes || len(value) > abi.MaxStateValueBytes {
			return int32(r.refuse(abi.ImportKVGet, "the call reads too much", abi.ErrnoLimit))
		}
		if r.reads == nil {
			r.reads = map[string]bool{}
		}
		r.reads[key], r.readBytes = true, r.readBytes+size
	}
	if !found {
		return int32(abi.ErrnoNotFound)
	}
	if len(value) <= len(buf) {
		copy(buf, value)
	}
	return int32(len(value))
}

func (r *recorder) kvSet(key string, value []byte, ttlMS int64) abi.Errno {
	if errno := r.checkKey(abi.ImportKVSet, key); errno != abi.ErrnoOK {
		return errno
	}
	w := Write{Key: key, Delete: ttlMS < 0}
	if !w.Delete {
		w.Value, w.TTL = append([]byte{}, value...), time.Duration(min(ttlMS, abi.MaxStateTTLMS))*time.Millisecond
	}
	at, total := r.written(key), len(key)+len(w.Value)
	for i, other := range r.result.Writes {
		if i != at {
			total += len(other.Key) + len(other.Value)
		}
	}
	switch {
	case len(w.Value) > abi.MaxStateValueBytes:
		return r.refuse(abi.ImportKVSet, "the value is too large", abi.ErrnoLimit)
	case ttlMS > abi.MaxStateTTLMS:
		return r.refuse(abi.ImportKVSet, "the time to live is too long", abi.ErrnoLimit)
	case at < 0 && len(r.result.Writes) == abi.MaxStateWrites, total > abi.MaxStateWriteBytes:
		return r.refuse(abi.ImportKVSet, "the call writes too much", abi.ErrnoLimit)
	case at < 0:
		r.result.Writes = append(r.result.Writes, w)
	default:
		r.result.Writes[at] = w
	}
	return abi.ErrnoOK
}

func (r *recorder) checkKey(function, key string) abi.Errno {
	switch {
	case key == "":
		return r.refuse(function, "the key is empty", abi.ErrnoInvalid)
	case len(key) > abi.MaxStateKeyBytes:
		return r.refuse(function, "the key is too long", abi.ErrnoLimit)
	}
	return abi.ErrnoOK
}

func (r *recorder) metricAdd(name string, n int64) abi.Errno {
	odd := func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' }
	switch {
	case len(name) > abi.MaxCounterNameBytes:
		return r.refuse(abi.ImportMetricAdd, "the name is too long", abi.ErrnoLimit)
	case name == "", strings.ContainsFunc(name, odd):
		return r.refuse(abi.ImportMetricAdd, "the name is not made of a to z, 0 to 9 and _", abi.ErrnoInvalid)
	case n < 0:
		return r.refuse(abi.ImportMetricAdd, "a counter only grows", abi.ErrnoInvalid)
	}
	if r.result.Counts == nil {
		r.result.Counts = map[string]int64{}
	}
	r.result.Counts[name] += n
	return abi.ErrnoOK
}

func (r *recorder) refuse(function, why string, errno abi.Errno) abi.Errno {
	r.log(abi.LogWarn, "a "+function+" was refused: "+why)
	return errno
}
