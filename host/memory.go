package host

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// sparing is a runtime whose instances have memory that only takes as much as they have touched, where the system can do
// that. The engine's own memory is a slice, which is copied when it grows: all of it is touched then, and the former one is
// there still until it is collected. A thousand instances of a guest with a stack of 1 MiB would take two gigabytes.
type sparing struct{ wazero.Runtime }

// InstantiateModule implements wazero.Runtime.
func (r sparing) InstantiateModule(ctx context.Context, module wazero.CompiledModule, config wazero.ModuleConfig) (api.Module, error) {
	return r.Runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(newMemory)), module, config)
}

// plainMemory is as the engine's own.
type plainMemory []byte

// Reallocate implements experimental.LinearMemory.
func (m *plainMemory) Reallocate(size uint64) []byte {
	if more := int(size) - len(*m); more > 0 {
		*m = append(*m, make([]byte, more)...)
	}
	return *m
}

// Free implements experimental.LinearMemory.
func (m *plainMemory) Free() { *m = nil }
