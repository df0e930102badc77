package host

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/units"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"

	"github.com/sgstreamd/sgstreamd/abi"
)

// The modules beside the sources are built from them.
func TestModulesAreTheirSources(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob("testdata/*.wat")
	require.NoError(t, err)
	require.NotEmpty(t, sources)
	for _, source := range sources {
		built := filepath.Join(t.TempDir(), "module.wasm")
		out, err := exec.Command("wat2wasm", source, "-o", built).CombinedOutput()
		require.NoError(t, err, "wat2wasm is Debian's package wabt: %s", out)
		want, err := os.ReadFile(built)
		require.NoError(t, err)
		have, err := os.ReadFile(strings.TrimSuffix(source, ".wat") + ".wasm")
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, have), "%s: build it again with wat2wasm", source)
	}
}

func TestHostFunctionsAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	functions := hostFunctions()
	for name := range abi.Imports() {
		require.NotNil(t, functions[name], name)
		delete(functions, name)
	}
	require.Empty(t, functions)
}

func TestLoadRefusesModule(t *testing.T) {
	t.Parallel()
	tests := []struct{ module, line string }{
		{"import_unknown", "imports sgs_v1.emitt, which the host does not have; did you mean emit?"},
		{"import_wasi_unknown", "imports wasi_snapshot_preview1.fd_writ, which the host does not have; did you mean fd_write?"},
		{"import_module", "imports env.foo; a plugin may import from sgs_v1 and wasi_snapshot_preview1 only"},
		{"import_newline", "imports a.foo; a plugin may import from sgs_v1 and wasi_snapshot_preview1 only"},
		{"import_signature", "imports sgs_v1.emit as (i32) -> i64; it is (i32, i32) -> i32"},
		{"import_memory", `imports the memory env.memory; a plugin has a memory of its own and exports it as "memory"`},
		{"import_global", "imports the global env.base; a plugin imports functions only"},
		{"lacks_memory", `lacks the export "memory"; a plugin exports its linear memory under that name`},
		{"lacks_marker", "lacks the export sgs_abi_v1 () -> ()"},
		{"lacks_alloc", "lacks the export sgs_alloc (i32) -> i32"},
		{"lacks_handle", "lacks the export sgs_handle (i32, i32) -> i64"},
		{"export_misspelt", "lacks the export sgs_handle; it exports sgs_handel: is that what is meant?"},
		{"export_signature", "exports sgs_handle as (i32) -> i64; it must be (i32, i32) -> i64"},
		{"command", "is a command (it exports _start), and a plugin is a reactor: build it with -buildmode=c-shared (Go, TinyGo), as a cdylib (Rust), or with -mexec-model=reactor (clang)"},
		{"memory_large", "its memory begins with 192 KiB, more than the limit of 128KiB; raise plugins.p.memory_limit"},
		{"table_large", "its table 0 begins with 2000000 elements; the host allows 1048576"},
	}
	for _, tt := range tests {
		t.Run(tt.module, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "")
			_, err := b.load(tt.module, withMemory(128*units.KiB))
			requireLine(t, err, `plugin "p": testdata/`+tt.module+".wasm: "+tt.line)
			requireCount(t, b.start(t, "count"), "good", 1)
		})
	}
}

func TestLoadRefusesBytes(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile("testdata/count.wasm")
	require.NoError(t, err)
	flipped := slices.Clone(good)
	flipped[8] = 0x7f // the id of the first section
	tests := []struct {
		name  string
		bytes []byte
		line  string
	}{
		{"empty", nil, "is not a WebAssembly module: the file is empty"},
		{"a text", []byte("#!/bin/sh\n"), `is not a WebAssembly module: it does not begin with "\0asm"`},
		{"cut in the header", good[:6], "is truncated or corrupt: it ends within its header"},
		{"cut in a section", good[:len(good)-5], "is truncated or corrupt: it ends within a section"},
		{"unknown section", flipped, "is truncated or corrupt: invalid section order"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), "is a WebAssembly component; a plugin is a core module: build for the target wasip1"},
		{"version", []byte("\x00asm\x02\x00\x00\x00"), "is of the WebAssembly binary version 02 00 00 00; the host knows 01 00 00 00"},
		{"manifest", withManifest(good, `{"codec":"xml"}`), `custom section sgs_manifest: codec "xml" is not one of json, msgpack`},
		{"manifest empty", withManifest(good, ""), "is truncated or corrupt: failed to read custom section name[sgs_manifest]: EOF"},
		{"manifest twice", withManifest(withManifest(good, `{}`), `{}`), "has more than one custom section sgs_manifest; it must be built with one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "")
			path := filepath.Join(t.TempDir(), "p.wasm")
			require.NoError(t, os.WriteFile(path, tt.bytes, 0o600))
			_, err := b.Load(context.Background(), "p", path, testConfig(), 1)
			requireLine(t, err, `plugin "p": `+path+": "+tt.line)
			requireCount(t, b.start(t, "count"), "good", 1)
		})
	}
}

func TestLoadRefusesWhatIsGranted(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	_, err := b.load("count", withTimeout(-1))
	requireLine(t, err, `plugin "p": plugins.p.timeout is -1ns; write "1ms" to "24h"`)
	_, err = b.load("count", func(c *PluginConfig) { c.Config = map[string]any{"a": 1} })
	requireLine(t, err, `plugin "p": plugins.p.config is set, but the module takes no configuration (it lacks the export sgs_configure); remove the table`)
	_, err = b.load("no_such_file")
	requireLine(t, err, `plugin "p": stat testdata/no_such_file.wasm: no such file or directory`)
}

func TestManifest(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	good, err := os.ReadFile("testdata/count.wasm")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "p.wasm")
	require.NoError(t, os.WriteFile(path, withManifest(good, `{"name":"counter","kind":"processor"}`), 0o600))
	p, err := b.Load(context.Background(), "p", path, testConfig(), 1)
	require.NoError(t, err)
	require.Equal(t, abi.Manifest{Name: "counter", Kind: "processor", Codec: abi.CodecJSON}, p.Manifest())
	require.Equal(t, "p", p.Name())
	require.NoError(t, os.WriteFile(path, withManifest(good, `{"codec":"msgpack"}`), 0o600))
	_, err = b.Load(context.Background(), "p", path, testConfig(), 1)
	requireLine(t, err, `plugin "p": its manifest asks for the codec msgpack, which the host does not have`)
}

// withManifest appends a custom section to a module.
func withManifest(module []byte, manifest string) []byte {
	name := abi.ManifestSection
	body := append([]byte{byte(len(name))}, name+manifest...)
	out := append(slices.Clone(module), 0)
	return append(binary.AppendUvarint(out, uint64(len(body))), body...)
}

func TestCompileCache(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "cache")
	files := func() (found []string) {
		require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				found = append(found, path)
			}
			return err
		}))
		return found
	}
	requireCount(t, newBench(t, dir).start(t, "count"), "good", 1)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.Len(t, files(), 1)

	b := newBench(t, dir)
	requireCount(t, b.start(t, "count"), "good", 1)
	require.Empty(t, b.logs.all())

	for name, damage := range map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)/2] },
		"garbage": func([]byte) []byte { return []byte(strings.Repeat("garbage", 1000)) },
		"empty":   func([]byte) []byte { return nil },
		"flipped": func(b []byte) []byte { b[len(b)/2] ^= 0xff; return b },
	} {
		content, err := os.ReadFile(files()[0])
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(files()[0], damage(slices.Clone(content)), 0o600))
		b := newBench(t, dir)
		requireCount(t, b.start(t, "count"), "good", 1)
		require.Equal(t, dir, b.logs.await(t, "the compile cache failed").attrs["folder"], name)
		require.NoError(t, os.WriteFile(files()[0], content, 0o600))
	}
}

func TestCompileCacheFolderThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	open := t.TempDir()
	require.NoError(t, os.Chmod(open, 0o777))
	for _, dir := range []string{file, open} {
		b := newBench(t, dir)
		requireCount(t, b.start(t, "count"), "good", 1)
		e := b.logs.find("the compile cache's folder can't be used")
		require.NotNil(t, e)
		require.Equal(t, dir, e.attrs["folder"])
	}
	entries, err := os.ReadDir(open)
	require.NoError(t, err)
	for _, e := range entries {
		below, err := os.ReadDir(filepath.Join(open, e.Name()))
		require.NoError(t, err)
		require.Empty(t, below, "machine code was written where others can change it")
	}
}

// Two plugins of the same module share its machine code; closing one must not take it from the other.
func TestSameModuleTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	one, two := b.start(t, "count"), b.start(t, "count", withMemory(units.MiB))
	require.NoError(t, one.Close(context.Background()))
	requireCount(t, two, "good", 1)
	requireCount(t, b.start(t, "count"), "good", 1)
}

func TestMetricsOfTwoHosts(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	one, err := newMetrics(r)
	require.NoError(t, err)
	two, err := newMetrics(r)
	require.NoError(t, err)
	require.Same(t, one.calls, two.calls)

	taken := prometheus.NewRegistry()
	taken.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "sgstreamd_plugin_calls_total"}))
	_, err = New(context.Background(), Options{Registerer: taken})
	require.ErrorContains(t, err, "sgstreamd_plugin_calls_total")
}

type closeCounter struct {
	wazero.CompiledModule
	closed int
}

func (c *closeCounter) Close(ctx context.Context) error {
	c.closed++
	return c.CompiledModule.Close(ctx)
}

// The engine is shared, so a runtime's end does not free the machine code of its module.
func TestCloseLetsGoOfTheMachineCode(t *testing.T) {
	t.Parallel()
	p := newBench(t, "").start(t, "count")
	c := &closeCounter{CompiledModule: p.compiled.module}
	p.compiled.module = c
	require.NoError(t, p.Close(context.Background()))
	require.Equal(t, 1, c.closed)
}
