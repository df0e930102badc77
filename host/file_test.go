package host

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// No writer ever opens the pipe, and the large file is never read: it would not fit.
func TestLoadRefusesFile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		make func(path string) error
		line string
	}{
		{"named pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "is not a regular file"},
		{"folder", func(path string) error { return os.Mkdir(path, 0o700) }, "is not a regular file"},
		{"link to a device", func(path string) error { return os.Symlink("/dev/zero", path) }, "is not a regular file"},
		{"link to nothing", func(path string) error { return os.Symlink("nothing", path) },
			"is a link to nothing, which is not there: file does not exist"},
		{"large", func(path string) error {
			if err := os.WriteFile(path, []byte("\x00asm\x01\x00\x00\x00"), 0o600); err != nil {
				return err
			}
			return os.Truncate(path, 256<<20+1)
		}, "is 268435457 bytes large; the limit is 256MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "p.wasm")
			require.NoError(t, tt.make(path))
			requireLine(t, loadWithin(t, path), `plugin "p": `+path+": "+tt.line)
		})
	}
}

func TestLoadRefusesSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.wasm")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	requireLine(t, loadWithin(t, path), `plugin "p": `+path+": is not a regular file")
}

func TestLoadOfNothing(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, loadWithin(t, filepath.Join(t.TempDir(), "p.wasm")), fs.ErrNotExist)
}

// loadWithin returns Load's error, which has to come soon.
func loadWithin(t *testing.T, path string) error {
	t.Helper()
	b := newBench(t, "")
	loaded := make(chan error, 1)
	go func() {
		_, err := b.Load(context.Background(), "p", path, testConfig(), 1)
		loaded <- err
	}()
	select {
	case err := <-loaded:
		return err
	case <-time.After(20 * time.Second):
		require.FailNow(t, "the file is still being opened or read")
		return nil
	}
}
