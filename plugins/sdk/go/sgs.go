// Package sgs is what a plugin for sgstreamd is written with in Go.
//
//	package main
//
//	import sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
//
//	func init() { sgs.Handle(reply) }
//
//	func main() {}
//
//	func reply(c *sgs.Call) error {
//		return c.Emit(sgs.Reply(c.Message, "you said: "+c.Message.Text("content")))
//	}
//
// It is built with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared. Natively, for go test, the same file
// compiles as well, and Test runs its function.
package sgs

import (
	"errors"
	"reflect"
	"runtime/debug"
	"strings"

	"github.com/sgstreamd/sgstreamd/abi"
)

// registered is what the plugin's init registered. It is the package's one variable that changes: the host
// calls exported functions, which have no receiver, and a module has one instance of this package to itself.
var registered plugin

// plugin is the author's three functions, and the memory that the host writes documents to.
type plugin struct {
	handle    func(*Call) error
	configure func([]byte) error
	stop      func()
	// buffer is reachable from registered, so that the garbage collector leaves it alone while the host uses it.
	buffer []byte
}

// maxKept is the size in bytes up to which the buffer serves the calls that follow.
const maxKept = 1 << 20

// alloc returns a buffer of at least size bytes. The host asks for one at a time and uses it for one call.
func (p *plugin) alloc(size int) []byte {
	if size > cap(p.buffer) || cap(p.buffer) > maxKept {
		p.buffer = make([]byte, max(size, 4096))
	}
	return p.buffer
}

// document is what the host has written to the buffer.
func (p *plugin) document(size int) []byte { return p.buffer[:min(size, cap(p.buffer))] }

// Handle registers the function that handles the messages, one at a time. Call it in an init function: the
// module's main never runs.
//
// The message is done when f returns nil, and then, and only then, what f emitted is written. Retry, Reject
// and Drop make errors that say otherwise; any other error, and a panic, is a Retry at the daemon's pace.
func Handle(f func(*Call) error) { registered.handle = f }

// Configure registers a function that gets the plugin's configuration, the operator's table
// plugins.<name>.config as a JSON object, once and before the first message. Its error refuses the
// configuration, and with it the plugin. Parse reads the JSON; so does encoding/json, at a megabyte a module.
func Configure(f func(json []byte) error) { registered.configure = f }

// OnStop registers a function that is called before the module's instance ends.
func OnStop(f func()) { registered.stop = f }

// host is what the daemon does for a plugin; in a native test a recorder plays its part.
type host interface {
	log(level abi.LogLevel, text string)
	fail(text string)
	emit(doc []byte) abi.Errno
	deadlineMS() int64
	kvGet(key string, buf []byte) int32
	kvSet(key string, value []byte, ttlMS int64) abi.Errno
	metricAdd(name string, n int64) abi.Errno
	httpOpen(doc []byte) int32
	httpHead(handle int32, buf []byte) int32
	httpRead(handle int32, buf []byte) int32
	httpClose(handle int32)
}

// runHandle handles the message in doc and returns what sgs_handle returns.
func (p *plugin) runHandle(h host, doc []byte) uint64 {
	v := asVerdict(p.try(h, func() error {
		if p.handle == nil {
			return errors.New("the plugin has not called sgs.Handle in an init function")
		}
		m, err := parseMessage(doc)
		if err != nil {
			return err
		}
		return p.handle(&Call{Message: m, State: State{h}, HTTP: HTTP{h}, host: h})
	}))
	if v.reason != "" {
		h.fail(v.reason)
	}
	return abi.PackResult(v.status, v.after)
}

// runConfigure returns what sgs_configure returns.
func (p *plugin) runConfigure(h host, doc []byte) int32 {
	if p.configure == nil {
		return 0
	}
	// The buffer is the instance's and will be used again; the author may keep the configuration.
	doc = append([]byte(nil), doc...)
	if err := p.try(h, func() error { return p.configure(doc) }); err != nil {
		h.fail(err.Error())
		return 1
	}
	return 0
}

func (p *plugin) runStop(h host) {
	if p.stop == nil {
		return
	}
	if err := p.try(h, func() error { p.stop(); return nil }); err != nil {
		h.log(abi.LogError, err.Error())
	}
}

// try turns a panic of f into an error, and logs where it was.
func (p *plugin) try(h host, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.New("panic: " + panicText(v))
			h.log(abi.LogError, err.Error()+"\n"+strings.TrimSpace(string(debug.Stack())))
		}
	}()
	return f()
}

func panicText(v any) string {
	switch v := v.(type) {
	case error:
		return v.Error()
	case string:
		return v
	case interface{ String() string }:
		return v.String()
	}
	return "a value of type " + reflect.TypeOf(v).String()
}
