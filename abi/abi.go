// Package abi is the contract between sgstreamd and the WebAssembly modules that it runs: names and
// signatures of exports and imports, the message that goes in, the verdict that comes out, the error
// numbers and the limits. It knows neither the engine (package host) nor Redis (package consumer), and
// imports the standard library only, so that both of them, and the Go SDK inside a guest, can share it.
//
// docs/abi.md is the same contract in prose.
package abi

// Module is the module name that a guest imports the host's functions from.
const Module = "sgs_v1"

// WASIModule is the module name of WASI preview 1, the only other one that a guest may import from.
const WASIModule = "wasi_snapshot_preview1"

// Names of a guest's exports.
const (
	// ExportMemory is the guest's one linear memory.
	ExportMemory = "memory"
	// ExportMarker says which version of the contract the guest was written for. It is never called.
	ExportMarker = "sgs_abi_v1"
	// ExportAlloc gives the host a buffer of the guest's own, valid until the call it was asked for returns.
	ExportAlloc = "sgs_alloc"
	// ExportHandle handles one message. Its result is packed as PackResult packs it.
	ExportHandle = "sgs_handle"
	// ExportConfigure, optional, receives the plugin's configuration once per instance; non-zero refuses it.
	ExportConfigure = "sgs_configure"
	// ExportStop, optional, is called before an instance is closed.
	ExportStop = "sgs_stop"
	// ExportInitialize, optional, is the WASI reactor's initialisation, called once before anything else.
	ExportInitialize = "_initialize"
	// ExportStart is the entry point of a WASI command. A plugin is a reactor and must not have it.
	ExportStart = "_start"
)

// Names of the host's functions in Module.
const (
	ImportLog        = "log"
	ImportFail       = "fail"
	ImportEmit       = "emit"
	ImportDeadlineMS = "deadline_ms"
	ImportKVGet      = "kv_get"
	ImportKVSet      = "kv_set"
	ImportMetricAdd  = "metric_add"
	ImportHTTPOpen   = "http_open"
	ImportHTTPHead   = "http_head"
	ImportHTTPRead   = "http_read"
	ImportHTTPClose  = "http_close"
)

// ValueType is a WebAssembly value type in its binary encoding
// (https://www.w3.org/TR/wasm-core-1/#binary-valtype).
type ValueType = byte

// The value types that the contract uses.
const (
	I32 ValueType = 0x7f
	I64 ValueType = 0x7e
)

// Signature is the type of an exported or imported function.
type Signature struct {
	// Params and Results are the function's value types, in order.
	Params, Results []ValueType
}

// Export is a function that a guest exports.
type Export struct {
	Name      string
	Signature Signature
	// Required tells whether a module without the export is refused.
	Required bool
}

// Exports returns every function export of the contract, in the order in which they are checked.
func Exports() []Export {
	return []Export{
		{ExportMarker, Signature{}, true},
		{ExportAlloc, Signature{[]ValueType{I32}, []ValueType{I32}}, true},
		{ExportHandle, Signature{[]ValueType{I32, I32}, []ValueType{I64}}, true},
		{ExportConfigure, Signature{[]ValueType{I32, I32}, []ValueType{I32}}, false},
		{ExportStop, Signature{}, false},
		{ExportInitialize, Signature{}, false},
	}
}

// Imports returns the signature of every function that the host offers in Module, by name.
func Imports() map[string]Signature {
	return map[string]Signature{
		ImportLog:        {[]ValueType{I32, I32, I32}, nil},
		ImportFail:       {[]ValueType{I32, I32}, nil},
		ImportEmit:       {[]ValueType{I32, I32}, []ValueType{I32}},
		ImportDeadlineMS: {nil, []ValueType{I64}},
		ImportKVGet:      {[]ValueType{I32, I32, I32, I32}, []ValueType{I32}},
		ImportKVSet:      {[]ValueType{I32, I32, I32, I32, I64}, []ValueType{I32}},
		ImportMetricAdd:  {[]ValueType{I32, I32, I64}, []ValueType{I32}},
		ImportHTTPOpen:   {[]ValueType{I32, I32}, []ValueType{I32}},
		ImportHTTPHead:   {[]ValueType{I32, I32, I32}, []ValueType{I32}},
		ImportHTTPRead:   {[]ValueType{I32, I32, I32}, []ValueType{I32}},
		ImportHTTPClose:  {[]ValueType{I32}, nil},
	}
}
