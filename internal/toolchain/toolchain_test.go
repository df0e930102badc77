package toolchain

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestManifestTakesThePlaceOfAnother(t *testing.T) {
	t.Parallel()
	bare := []byte("\x00asm\x01\x00\x00\x00\x00\x05\x04name")
	one, err := WithManifest(bare, []byte(`{"name":"one"}`))
	require.NoError(t, err)
	require.Contains(t, string(one), "sgs_manifest"+`{"name":"one"}`)
	two, err := WithManifest(one, []byte(`{"name":"two"}`))
	require.NoError(t, err)
	require.Contains(t, string(two), "sgs_manifest"+`{"name":"two"}`)
	require.NotContains(t, string(two), "one")
	back, err := WithManifest(two, nil)
	require.NoError(t, err)
	require.Equal(t, bare, back)
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	out := filepath.Join(t.TempDir(), "p.wasm")
	require.ErrorContains(t, Build(t.Context(), empty, out, io.Discard), empty+": no plugin that can be built: it has none of main.go (go), ")
	bad := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bad, "main.go"), []byte("package main\nfunc main() { x }\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(bad, "go.mod"), []byte("module bad\n"), 0o600))
	require.ErrorContains(t, Build(t.Context(), bad, out, io.Discard), "undefined: x")
	require.NoError(t, os.WriteFile(filepath.Join(bad, ManifestFile), []byte(`{"hots":[]}`), 0o600))
	require.ErrorContains(t, Build(t.Context(), bad, out, io.Discard), filepath.Join(bad, ManifestFile)+`: custom section sgs_manifest: unknown key "hots"`)
	require.NoFileExists(t, out)
}

func FuzzWithManifest(f *testing.F) {
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x00\x05\x04name"))
	f.Fuzz(func(t *testing.T, module []byte) {
		with, err := WithManifest(module, []byte("{}"))
		if err != nil {
			return
		}
		again, err := WithManifest(with, []byte("{}"))
		require.NoError(t, err)
		require.Equal(t, with, again)
	})
}

// A compiler's warnings are shown, though it builds.
func TestBuildShowsWarnings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "sdk"), os.DirFS("../../plugins/sdk/c")))
	require.NoError(t, os.CopyFS(dir, os.DirFS("../../plugins/examples/echo-c")))
	main := filepath.Join(dir, "src", "main.c")
	source, err := os.ReadFile(main)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(main, append(source, "\nstatic int unused;\n"...), 0o600))
	var said strings.Builder
	require.NoError(t, Build(t.Context(), dir, filepath.Join(t.TempDir(), "p.wasm"), &said))
	require.Contains(t, said.String(), "unused variable 'unused'")
}
