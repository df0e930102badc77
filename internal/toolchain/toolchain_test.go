package toolchain

import (
	"os"
	"path/filepath"
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
	require.ErrorContains(t, Build(t.Context(), empty, out), empty+": no plugin that can be built: it has none of main.go (go), ")
	bad := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bad, "main.go"), []byte("package main\nfunc main() { x }\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(bad, "go.mod"), []byte("module bad\n"), 0o600))
	require.ErrorContains(t, Build(t.Context(), bad, out), "undefined: x")
	require.NoError(t, os.WriteFile(filepath.Join(bad, ManifestFile), []byte(`{"hots":[]}`), 0o600))
	require.ErrorContains(t, Build(t.Context(), bad, out), filepath.Join(bad, ManifestFile)+`: custom section sgs_manifest: unknown key "hots"`)
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
