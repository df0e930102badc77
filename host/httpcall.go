package host

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero/api"

	"github.com/sgstreamd/sgstreamd/abi"
)

// requests are those of one call.
type requests struct {
	byHandle map[uint32]*exchange
	made     int
	failure  string // the text of the last one that was refused or has failed
	stalled  bool   // the client did not see in time that one was over; there is no patience left for another
}

// httpOpen is http_open: the handle of a request that is on its way, or an errno.
func (c *call) httpOpen(mem api.Memory, ptr, size uint32) int32 {
	if c.ctx.Err() != nil {
		return int32(abi.ErrnoCancelled)
	}
	x, err := c.open(mem, ptr, size)
	if err != nil {
		errno := c.httpRefusal("an http_open", err)
		c.plugin.metrics.requests.WithLabelValues(errnoOutcome(abi.Errno(errno))).Inc()
		return errno
	}
	if c.requests.byHandle == nil {
		c.requests.byHandle = map[uint32]*exchange{}
	}
	handle := c.plugin.egress.nextHandle()
	c.requests.byHandle[handle] = x
	c.requests.made++
	return int32(handle)
}

func (c *call) open(mem api.Memory, ptr, size uint32) (*exchange, error) {
	if c.message == nil {
		return nil, refuse(abi.ErrnoDenied, "no message is being handled")
	}
	doc, ok := mem.Read(ptr, size)
	switch {
	case !ok:
		return nil, refuse(abi.ErrnoFault, "the document lies outside of the memory")
	case size > abi.MaxRequestBytes:
		return nil, refuse(abi.ErrnoLimit, "the document has %d bytes; %d are allowed", size, abi.MaxRequestBytes)
	case c.requests.made == abi.MaxRequests:
		return nil, refuse(abi.ErrnoLimit, "the call has made its %d requests", abi.MaxRequests)
	}
	ask, err := c.plugin.codec.DecodeRequest(doc)
	if err != nil {
		return nil, refuse(abi.ErrnoInvalid, "%s", oneLine(err.Error()))
	}
	e := c.plugin.egress
	p, err := e.prepare(ask)
	if err != nil {
		return nil, err
	}
	x := &exchange{egress: e, call: c, prepared: p, arrived: make(chan struct{})}
	x.placed.Store(c.requests.allPlaced() && e.places.TryAcquire(1))
	// A call that holds a place, or waits for one, and waits for another could wait for one that waits for it.
	if !x.placed.Load() && c.requests.anyOpen() {
		return nil, refuse(abi.ErrnoLimit, "the plugin has its %d requests (plugins.%s.http.max_concurrent), and one of them is this call's",
			e.cfg.MaxConcurrent, e.plugin)
	}
	x.context, x.cancel = context.WithCancelCause(c.ctx)
	go x.run()
	return x, nil
}

// anyOpen tells whether a request of the call has not ended.
func (r *requests) anyOpen() bool {
	for _, x := range r.byHandle {
		if !x.ended {
			return true
		}
	}
	return false
}

// allPlaced tells whether no request of the call waits for its place.
func (r *requests) allPlaced() bool {
	for _, x := range r.byHandle {
		if !x.ended && !x.placed.Load() {
			return false
		}
	}
	return true
}

// httpHead is http_head: the length of the response's head, and the head itself where there is room for it, or an
// errno. Of the handle 0 it is the text of the last refusal or failure.
func (c *call) httpHead(mem api.Memory, handle, buf, room uint32) int32 {
	if c.ctx.Err() != nil {
		return int32(abi.ErrnoCancelled)
	}
	if _, ok := mem.Read(buf, room); !ok {
		return c.httpRefusal("an http_head", refuse(abi.ErrnoFault, "the buffer lies outside of the memory"))
	}
	doc := []byte(c.requests.failure)
	if handle != 0 {
		x := c.requests.byHandle[handle]
		if x == nil {
			return c.httpRefusal("an http_head", refuse(abi.ErrnoInvalid, "the call has no request of the handle %d", handle))
		}
		var err error
		if doc, err = x.head(); err != nil {
			return c.httpRefusal("an http_head", err)
		}
	} else if len(doc) == 0 {
		return int32(abi.ErrnoNotFound)
	}
	if len(doc) <= int(room) {
		mem.Write(buf, doc) // the buffer was found to be inside
	}
	return int32(len(doc))
}

// httpRead is http_read: how many bytes of the body it has written to the buffer, 0 at the end, or an errno. It waits
// for one byte, not for a full buffer.
func (c *call) httpRead(mem api.Memory, handle, buf, room uint32) int32 {
	if c.ctx.Err() != nil {
		return int32(abi.ErrnoCancelled)
	}
	view, ok := mem.Read(buf, room)
	x := c.requests.byHandle[handle]
	switch {
	case !ok:
		return c.httpRefusal("an http_read", refuse(abi.ErrnoFault, "the buffer lies outside of the memory"))
	case x == nil:
		return c.httpRefusal("an http_read", refuse(abi.ErrnoInvalid, "the call has no request of the handle %d", handle))
	case room == 0:
		return c.httpRefusal("an http_read", refuse(abi.ErrnoInvalid, "the buffer has no room"))
	}
	n, err := x.read(view)
	if err != nil {
		return c.httpRefusal("an http_read", err)
	}
	return int32(n)
}

// httpClose is http_close. A handle that is none has nothing to be closed.
func (c *call) httpClose(handle uint32) {
	if x := c.requests.byHandle[handle]; x != nil {
		x.close()
		delete(c.requests.byHandle, handle)
	}
}

// closeAll ends every request of the call, and returns when none is left.
func (r *requests) closeAll() {
	for _, x := range r.byHandle {
		x.cancel(errRequestClosed)
	}
	for _, x := range r.byHandle {
		x.close()
	}
	r.byHandle = nil
}

// httpRefusal keeps the text of a refusal for the guest, and logs it.
func (c *call) httpRefusal(what string, err error) int32 {
	r := &refusal{abi.ErrnoUnavailable, oneLine(err.Error())}
	errors.As(err, &r)
	text := cutText(oneLine(r.text), maxLine) // it may name a host of the guest's, as long as that likes
	c.requests.failure = text
	c.refuse(what, r.errno, text)
	return int32(r.errno)
}
