package host

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// guestOf is a module of which sgs_handle runs the instructions in an endless loop. It has a memory of 128 pages, a table
// of 1,000,000 elements, and imports random_get, which is its function 0.
func guestOf(t *testing.T, instructions []byte) string {
	t.Helper()
	vector := func(items ...[]byte) []byte {
		return append(binary.AppendUvarint(nil, uint64(len(items))), slices.Concat(items...)...)
	}
	sized := func(b []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(b))), b...) }
	section := func(id byte, items ...[]byte) []byte { return append([]byte{id}, sized(vector(items...))...) }
	export := func(name string, kind, index byte) []byte { return append(appendName(nil, name), kind, index) }
	handle := slices.Concat([]byte{0, 0x03, 0x40}, instructions, []byte{0x0c, 0, 0x0b, 0x42, 0, 0x0b}) // loop, …, br 0, end, i64.const 0
	module := slices.Concat(
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(sectionType, []byte{0x60, 0, 0}, []byte{0x60, 1, 0x7f, 1, 0x7f}, []byte{0x60, 2, 0x7f, 0x7f, 1, 0x7e}, []byte{0x60, 2, 0x7f, 0x7f, 1, 0x7f}),
		section(sectionImport, slices.Concat(appendName(nil, "wasi_snapshot_preview1"), appendName(nil, "random_get"), []byte{0, 3})),
		section(sectionFunction, []byte{0}, []byte{1}, []byte{2}),
		section(sectionTable, append([]byte{0x70, 0}, leb(1_000_000)...)),
		section(sectionMemory, append([]byte{0}, leb(128)...)),
		section(sectionExport, export("memory", 2, 0), export("sgs_abi_v1", 0, 1), export("sgs_alloc", 0, 2), export("sgs_handle", 0, 3)),
		section(sectionElement, []byte{0, 0x41, 0, 0x0b, 1, 0}), // random_get is the table's element 0
		section(sectionCode, []byte{2, 0, 0x0b}, []byte{4, 0, 0x41, 16, 0x0b}, sized(handle)),
	)
	file := filepath.Join(t.TempDir(), "guest.wasm")
	require.NoError(t, os.WriteFile(file, module, 0o600))
	return file
}

// A guest that takes long for each of its turns ends with its deadline all the same, and lets the process go on meanwhile.
func TestNoTurnIsTooLong(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	i32 := func(n uint32) []byte { return append([]byte{0x41}, leb(n)...) }
	of := func(n int, parts ...[]byte) []byte { return slices.Repeat(slices.Concat(parts...), n) }
	for name, instructions := range map[string][]byte{
		"memory.fill":   of(100, i32(0), i32(1), i32(size), []byte{0xfc, 11, 0}),
		"memory.copy":   of(100, i32(0), i32(1), i32(size-1), []byte{0xfc, 10, 0, 0}),
		"table.fill":    of(100, i32(0), []byte{0xd0, 0x70}, i32(1_000_000), []byte{0xfc, 17, 0}),
		"table.copy":    of(100, i32(0), i32(1), i32(999_999), []byte{0xfc, 14, 0, 0}),
		"straight":      of(100_000, i32(7), []byte{0x67, 0x1a}), // i32.clz, drop
		"call":          of(10, i32(0), i32(size), []byte{0x10, 0, 0x1a}),
		"call_indirect": of(10, i32(0), i32(size), i32(0), []byte{0x11, 3, 0, 0x1a}),
	} {
		cfg := testConfig()
		cfg.Timeout = 200 * time.Millisecond
		h := quietHost(t)
		p, err := h.Load(t.Context(), "p", guestOf(t, instructions), cfg, 1)
		require.NoError(t, err, name)
		require.NoError(t, p.Start(t.Context()), name)
		begun, done := time.Now(), make(chan error, 1)
		go func() { _, err := handle(p, "x"); done <- err }()
		var longest time.Duration
		for range 5 {
			begun := time.Now()
			runtime.GC()
			longest = max(longest, time.Since(begun))
		}
		requireLine(t, <-done, `plugin "p": sgs_handle: no result within 200ms (plugins.p.timeout)`)
		t.Logf("%s: ended after %v; longest collection %v", name, time.Since(begun), longest)
		require.Less(t, time.Since(begun), 5*time.Second, name)
	}
}
