package host

import (
	"context"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/sgstreamd/sgstreamd/abi"
)

// State is where kv_get reads what a plugin has kept. Package consumer has the one in Redis; here is only what
// host needs of it. An implementation is safe for concurrent use.
type State interface {
	// Get returns what the plugin keeps under the key, and whether there is such a key. The value is the caller's
	// to read, and is never written to. Get returns soon after ctx is done. Its error says in one line why nothing
	// could be read.
	Get(ctx context.Context, plugin, key string) (value []byte, found bool, err error)
}

// view is what one call sees of its plugin's state: what it has found in Redis, and over that what it has set
// itself. Both lists are short, so a search costs less than a map would.
type view struct {
	reads      []abi.StateRead
	readBytes  int // of their keys and values
	writes     []abi.StateWrite
	writeBytes int // of their keys and values
}

// look finds the key's value as the call sees it. It is not known unless the call has read or set the key.
func (v *view) look(key []byte) (value []byte, found, known bool) {
	if i := v.written(key); i >= 0 {
		return v.writes[i].Value, !v.writes[i].Delete, true
	}
	for i := range v.reads {
		if v.reads[i].Key == string(key) {
			return v.reads[i].Value, v.reads[i].Found, true
		}
	}
	return nil, false, false
}

// written is the index of the write to the key, or -1.
func (v *view) written(key []byte) int {
	for i := range v.writes {
		if v.writes[i].Key == string(key) {
			return i
		}
	}
	return -1
}

// keep adds what was found in Redis. It says why not where that is too much for one call.
func (v *view) keep(r abi.StateRead) (refusal string) {
	size := len(r.Key) + len(r.Value)
	switch {
	case len(r.Value) > abi.MaxStateValueBytes:
		return fmt.Sprintf("the value has %d bytes; %d are allowed", len(r.Value), abi.MaxStateValueBytes)
	case v.readBytes+size > abi.MaxStateReadBytes:
		return fmt.Sprintf("what the call has read exceeds %d bytes together", abi.MaxStateReadBytes)
	}
	v.reads, v.readBytes = append(v.reads, r), v.readBytes+size
	return ""
}

// set replaces the call's write to the key, or adds one. It says why not where that is too much for one call.
func (v *view) set(key, value []byte, remove bool, ttl time.Duration) (refusal string) {
	at, size := v.written(key), len(key)+len(value)
	if at >= 0 {
		size -= len(v.writes[at].Key) + len(v.writes[at].Value)
	}
	switch {
	case at < 0 && len(v.writes) == abi.MaxStateWrites:
		return fmt.Sprintf("the call has written to its %d keys", abi.MaxStateWrites)
	case v.writeBytes+size > abi.MaxStateWriteBytes:
		return fmt.Sprintf("what the call has written exceeds %d bytes together", abi.MaxStateWriteBytes)
	}
	if at < 0 {
		at, v.writes = len(v.writes), append(v.writes, abi.StateWrite{Key: string(key)})
	}
	w := &v.writes[at]
	w.Value, w.Delete, w.TTL = append(w.Value[:0], value...), remove, ttl
	v.writeBytes += size
	return ""
}

// kvGet is kv_get: the value's length, and the value itself where there is room for it, or an errno. What the call
// has not seen yet costs one question to Redis, and ends with the call's context.
func (c *call) kvGet(mem api.Memory, ptr, size, buf, room uint32) int32 {
	if c.ctx.Err() != nil {
		return int32(abi.ErrnoCancelled)
	}
	key, errno, why := c.stateKey(mem, ptr, size)
	if _, ok := mem.Read(buf, room); errno == abi.ErrnoOK && !ok {
		errno, why = abi.ErrnoFault, "the buffer lies outside of the memory"
	}
	var value []byte
	if errno == abi.ErrnoOK {
		value, errno, why = c.stateValue(key)
	}
	if errno != abi.ErrnoOK {
		c.refuse("a kv_get", errno, why)
		return int32(errno)
	}
	if len(value) <= int(room) {
		mem.Write(buf, value) // the buffer was found to be inside
	}
	return int32(len(value))
}

// stateKey reads a key of the guest's. It is a part of the guest's memory: whoever keeps it copies it.
func (c *call) stateKey(mem api.Memory, ptr, size uint32) (key []byte, errno abi.Errno, why string) {
	switch {
	case c.message == nil:
		return nil, abi.ErrnoDenied, "no message is being handled"
	case c.plugin.host.state == nil:
		return nil, abi.ErrnoDenied, "the host keeps no state"
	case !c.plugin.cfg.State:
		return nil, abi.ErrnoDenied, fmt.Sprintf("plugins.%s.state or the plugin's manifest says false", c.plugin.name)
	}
	key, ok := mem.Read(ptr, size)
	switch {
	case !ok:
		return nil, abi.ErrnoFault, "the key lies outside of the memory"
	case size == 0:
		return nil, abi.ErrnoInvalid, "the key is empty"
	case size > abi.MaxStateKeyBytes:
		return nil, abi.ErrnoLimit, fmt.Sprintf("the key has %d bytes; %d are allowed", size, abi.MaxStateKeyBytes)
	}
	return key, abi.ErrnoOK, ""
}

// stateValue finds the key's value as the call sees it, in Redis where the call has not looked before.
func (c *call) stateValue(key []byte) (value []byte, errno abi.Errno, why string) {
	value, found, known := c.view.look(key)
	if !known {
		if len(c.view.reads) == abi.MaxStateReads {
			return nil, abi.ErrnoLimit, fmt.Sprintf("the call has read its %d keys", abi.MaxStateReads)
		}
		r := abi.StateRead{Key: string(key)}
		var err error
		r.Value, r.Found, err = c.plugin.host.state.Get(c.ctx, c.plugin.name, r.Key)
		switch {
		case c.ctx.Err() != nil:
			return nil, abi.ErrnoCancelled, "the call was over before Redis answered"
		case err != nil:
			return nil, abi.ErrnoUnavailable, oneLine(err.Error())
		}
		if why := c.view.keep(r); why != "" {
			return nil, abi.ErrnoLimit, why
		}
		value, found = r.Value, r.Found
	}
	if !found {
		return nil, abi.ErrnoNotFound, ""
	}
	return value, abi.ErrnoOK, ""
}

// kvSet is kv_set. It writes to the call's view only; the commit brings it to Redis.
func (c *call) kvSet(mem api.Memory, ptr, size, valuePtr, valueSize uint32, ttlMS int64) abi.Errno {
	if c.ctx.Err() != nil {
		return abi.ErrnoCancelled
	}
	errno, why := c.stateWrite(mem, ptr, size, valuePtr, valueSize, ttlMS)
	if errno != abi.ErrnoOK {
		c.refuse("a kv_set", errno, why)
	}
	return errno
}

func (c *call) stateWrite(mem api.Memory, ptr, size, valuePtr, valueSize uint32, ttlMS int64) (errno abi.Errno, why string) {
	key, errno, why := c.stateKey(mem, ptr, size)
	if errno != abi.ErrnoOK {
		return errno, why
	}
	if ttlMS < 0 {
		why = c.view.set(key, nil, true, 0)
	} else {
		value, ok := mem.Read(valuePtr, valueSize)
		switch {
		case !ok:
			return abi.ErrnoFault, "the value lies outside of the memory"
		case valueSize > abi.MaxStateValueBytes:
			return abi.ErrnoLimit, fmt.Sprintf("the value has %d bytes; %d are allowed", valueSize, abi.MaxStateValueBytes)
		case ttlMS > abi.MaxStateTTLMS:
			return abi.ErrnoLimit, fmt.Sprintf("the time to live is %d ms; %d are allowed", ttlMS, int64(abi.MaxStateTTLMS))
		}
		why = c.view.set(key, value, false, time.Duration(ttlMS)*time.Millisecond)
	}
	if why != "" {
		return abi.ErrnoLimit, why
	}
	return abi.ErrnoOK, ""
}
