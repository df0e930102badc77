//go:build wasip1

package sgs

import (
	"unsafe"

	"github.com/sgstreamd/sgstreamd/abi"
)

// The host's functions. A string crosses as its pointer and length.

//go:wasmimport sgs_v1 log
func importLog(level uint32, ptr unsafe.Pointer, size uint32)

//go:wasmimport sgs_v1 fail
func importFail(ptr unsafe.Pointer, size uint32)

//go:wasmimport sgs_v1 emit
func importEmit(ptr unsafe.Pointer, size uint32) int32

//go:wasmimport sgs_v1 deadline_ms
func importDeadlineMS() int64

//go:wasmimport sgs_v1 kv_get
func importKVGet(key unsafe.Pointer, size uint32, buf unsafe.Pointer, room uint32) int32

//go:wasmimport sgs_v1 kv_set
func importKVSet(key unsafe.Pointer, size uint32, value unsafe.Pointer, valueSize uint32, ttlMS int64) int32

//go:wasmimport sgs_v1 metric_add
func importMetricAdd(name unsafe.Pointer, size uint32, n int64) int32

//go:wasmimport sgs_v1 http_open
func importHTTPOpen(ptr unsafe.Pointer, size uint32) int32

//go:wasmimport sgs_v1 http_head
func importHTTPHead(handle int32, buf unsafe.Pointer, room uint32) int32

//go:wasmimport sgs_v1 http_read
func importHTTPRead(handle int32, buf unsafe.Pointer, room uint32) int32

//go:wasmimport sgs_v1 http_close
func importHTTPClose(handle int32)

// imports is the host of a module.
type imports struct{}

func (imports) log(level abi.LogLevel, text string) {
	importLog(uint32(level), unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

func (imports) fail(text string) {
	importFail(unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

func (imports) emit(doc []byte) abi.Errno {
	return abi.Errno(importEmit(unsafe.Pointer(unsafe.SliceData(doc)), uint32(len(doc))))
}

func (imports) deadlineMS() int64 { return importDeadlineMS() }

func (imports) kvGet(key string, buf []byte) int32 {
	return importKVGet(unsafe.Pointer(unsafe.StringData(key)), uint32(len(key)), unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
}

func (imports) kvSet(key string, value []byte, ttlMS int64) abi.Errno {
	return abi.Errno(importKVSet(unsafe.Pointer(unsafe.StringData(key)), uint32(len(key)),
		unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value)), ttlMS))
}

func (imports) metricAdd(name string, n int64) abi.Errno {
	return abi.Errno(importMetricAdd(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), n))
}

func (imports) httpOpen(doc []byte) int32 {
	return importHTTPOpen(unsafe.Pointer(unsafe.SliceData(doc)), uint32(len(doc)))
}

func (imports) httpHead(handle int32, buf []byte) int32 {
	return importHTTPHead(handle, unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
}

func (imports) httpRead(handle int32, buf []byte) int32 {
	return importHTTPRead(handle, unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
}

func (imports) httpClose(handle int32) { importHTTPClose(handle) }

//go:wasmexport sgs_abi_v1
func exportMarker() {}

// document is the memory that the host writes the next document to. A new one for each: what a function keeps of a message is
// a part of it.
var document []byte

// reused is the call, for one message after the other.
var reused Call

//go:wasmexport sgs_alloc
func exportAlloc(size uint32) unsafe.Pointer {
	document = make([]byte, size)
	return unsafe.Pointer(unsafe.SliceData(document))
}

// taken returns what the host has written, and lets go of it: nothing writes to it from here on.
func taken() string {
	doc := document
	document = nil
	return unsafe.String(unsafe.SliceData(doc), len(doc))
}

//go:wasmexport sgs_handle
func exportHandle(unsafe.Pointer, uint32) int64 {
	return int64(registered.runHandle(&reused, imports{}, taken()))
}

//go:wasmexport sgs_configure
func exportConfigure(unsafe.Pointer, uint32) int32 {
	return registered.runConfigure(imports{}, taken())
}

//go:wasmexport sgs_stop
func exportStop() { registered.runStop(imports{}) }
