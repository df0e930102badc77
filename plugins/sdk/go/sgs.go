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
//		return c.Reply("you said: " + c.Message.Text("content"))
//	}
//
// sgstreamd plugin build makes a module of it. Natively, for go test, the same file compiles as well, and Test runs its
// function.
package sgs

import (
	"errors"
	"reflect"
	"runtime/debug"
	"strings"

	"github.com/sgstreamd/sgstreamd/abi"
)

// registered is what the plugin's init registered. The host calls exported functions, which have no receiver, and a module
// has one instance of this package to itself.
var registered plugin

// plugin is the author's three functions.
type plugin struct {
	handle    func(*Call) error
	configure func(Map) error
	stop      func(*Call)
}

// Handle registers the function that handles the messages, one at a time. Call it in an init function: the
// module's main never runs.
//
// The message is done when f returns nil, and then, and only then, what f emitted is written. Retry, Reject
// and Drop make errors that say otherwise; any other error, and a panic, is a Retry at the daemon's pace.
func Handle(f func(*Call) error) { registered.handle = f }

// Configure registers a function that gets the plugin's configuration, the operator's table plugins.<name>.config, once
// and before the first message; it is empty, and not nil, where there is none. Its error refuses the configuration, and
// with it the plugin.
func Configure(f func(config Map) error) { registered.configure = f }

// OnStop registers a function that is called before the module's instance ends. Its Call has no Message: it logs and
// counts, and is refused everything else.
func OnStop(f func(*Call)) { registered.stop = f }

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

// runHandle handles the message in doc and returns what sgs_handle returns. The call's memory is used again; what the
// message has of the document is not copied, so doc must never change.
func (p *plugin) runHandle(c *Call, h host, doc string) uint64 {
	v := asVerdict(p.try(h, func() error {
		if p.handle == nil {
			return errors.New("the plugin has not called sgs.Handle in an init function")
		}
		if err := c.begin(h, doc); err != nil {
			return err
		}
		return p.handle(c)
	}))
	if v.reason != "" {
		h.fail(v.reason)
	}
	return abi.PackResult(v.status, v.after)
}

// runConfigure returns what sgs_configure returns. doc must never change.
func (p *plugin) runConfigure(h host, doc string) int32 {
	if p.configure == nil {
		return 0
	}
	err := p.try(h, func() error {
		config, err := codecOf(doc).read(doc)
		if err != nil {
			return err
		}
		return p.configure(config)
	})
	if err != nil {
		h.fail(err.Error())
		return 1
	}
	return 0
}

func (p *plugin) runStop(h host) {
	if p.stop == nil {
		return
	}
	if err := p.try(h, func() error { p.stop(&Call{State: State{h}, HTTP: HTTP{host: h}, host: h}); return nil }); err != nil {
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
