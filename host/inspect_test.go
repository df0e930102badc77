package host

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

func TestInspectDescribesAModule(t *testing.T) {
	t.Parallel()
	in, err := Inspect(t.Context(), "testdata/echo.wasm")
	require.NoError(t, err)
	require.Equal(t, "echo", in.Name)
	require.Equal(t, abi.Module, in.ABI)
	require.False(t, in.HasManifest)
	require.Equal(t, abi.CodecJSON, in.Manifest.Codec, "what holds without one")
	require.Contains(t, in.Imports, Function{"sgs_v1.emit", "(i32, i32) -> i32"})
	require.Contains(t, in.Exports, Function{"sgs_handle", "(i32, i32) -> i64"})
	require.NotZero(t, in.MemoryMin)
	require.Empty(t, in.Refused)
	require.True(t, in.ImportsAny(abi.ImportEmit))
	require.False(t, in.ImportsAny(abi.ImportHTTPOpen, abi.ImportKVGet))
}

// What is refused is described all the same, so that its author sees what is in it.
func TestInspectDescribesWhatIsRefused(t *testing.T) {
	t.Parallel()
	in, err := Inspect(t.Context(), "testdata/import_unknown.wasm")
	require.NoError(t, err)
	require.Contains(t, in.Refused, "imports sgs_v1.emitt, which the host does not have; did you mean emit?")
	require.Contains(t, in.Imports, Function{"sgs_v1.emitt", "(i32, i32) -> i32"})
}

func TestInspectNamesTheFileThatIsNoModule(t *testing.T) {
	t.Parallel()
	_, err := Inspect(t.Context(), "inspect.go")
	require.EqualError(t, err, `inspect.go: is not a WebAssembly module: it does not begin with "\0asm"`)
	nowhere := filepath.Join(t.TempDir(), "x.wasm")
	_, err = Inspect(t.Context(), nowhere)
	require.ErrorContains(t, err, nowhere)
}

func TestAskedHostsFollowTheConfiguration(t *testing.T) {
	t.Parallel()
	in := Inspection{Name: "p", Manifest: abi.Manifest{
		Hosts:  []string{"https://a.example.org", "config:base_url"},
		Config: []byte(`{"properties":{"base_url":{"default":"https://b.example.org/v1"}}}`),
	}}
	hosts, err := in.AskedHosts(nil)
	require.NoError(t, err)
	require.Equal(t, []string{"https://a.example.org", "https://b.example.org"}, hosts)
	hosts, err = in.AskedHosts(map[string]any{"base_url": "http://127.0.0.1:8080/x"})
	require.NoError(t, err)
	require.Equal(t, []string{"https://a.example.org", "http://127.0.0.1:8080"}, hosts)
	_, err = in.AskedHosts(map[string]any{"base_url": "nonsense"})
	require.ErrorContains(t, err, "plugins.p.config; write a URL")
}
