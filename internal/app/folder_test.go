package app_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/app"
	"github.com/sgstreamd/sgstreamd/internal/config"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// Whatever lies in the folder under whatever name, it is refused aloud, and the daemon serves on.
func TestOddFilesInTheFolderAreRefused(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	dir := t.TempDir()
	put(t, dir, "answer", answerModule(t, `{}`))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "begin\xff.wasm"), nil, 0o600))
	d := startDaemonOf(t, dir, "redis.url="+r.URL(), "inbound.processor=answer")
	admin := d.ready()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "later\xff.wasm"), nil, 0o600))
	d.line("plugin refused", "later", "rename the file")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.wasm"), 0o700))
	d.line("plugin refused", "folder.wasm: is not a regular file")
	for name, target := range map[string]string{"nowhere": "none/none.wasm", "round": "round.wasm"} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name+".wasm")))
		d.line("plugin refused", name+".wasm", target)
	}
	_, body := get(t, admin, "/readyz")
	for _, name := range []string{"begin", "later", "folder", "nowhere", "round"} {
		require.Contains(t, body, name)
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "nowhere.wasm")))
	eventually(t, "what is gone is forgotten", func() bool {
		_, body := get(t, admin, "/readyz")
		return len(body) > 0 && !strings.Contains(body, "nowhere")
	})
	put(t, dir, "round", answerModule(t, `{}`))
	d.line("plugin added", `"plugin":"round"`)
	say(t, c, "hello")
	awaitAnswers(t, c, 1)
	d.stop()
}

// Daemons that share a folder, and operators, write one lock file: none takes away what another has written.
func TestNoGrantIsLostWhereManyWrite(t *testing.T) {
	t.Parallel()
	const plugins = 30
	c := config.Default()
	c.Plugins.Dir = t.TempDir()
	for i := range plugins {
		put(t, c.Plugins.Dir, fmt.Sprint("p", i), answerModule(t, `{}`))
	}
	failed := make(chan error, plugins)
	for i := range plugins {
		go func() { _, err := app.Grant(t.Context(), c, fmt.Sprint("p", i)); failed <- err }()
	}
	for range plugins {
		require.NoError(t, <-failed)
	}
	doc, err := os.ReadFile(c.Plugins.LockPath())
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, json.Unmarshal(doc, &all))
	require.Len(t, all, plugins)
}
