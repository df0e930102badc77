package app_test

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// The same message goes through the echo of every language.
func TestEveryLanguageAnswersTheSameMessage(t *testing.T) {
	t.Parallel()
	for language, source := range map[string]string{
		"go": "echo", "c": "echo-c", "rust": "echo-rust", "zig": "echo-zig", "assemblyscript": "echo-assemblyscript",
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, toolchain.Build(t.Context(), filepath.Join("../../plugins/examples", source), filepath.Join(dir, "echo.wasm"), io.Discard))
			r := redistest.Start(t)
			c := r.Client(t)
			d := startDaemonOf(t, dir, "redis.url="+r.URL())
			d.ready()
			text := "grüße, \U0001f44b\x00 \"quoted\"\n2nd line"
			id := say(t, c, text)
			answered(t, c, text)
			require.Equal(t, []map[string]any{{
				"platform": "test", "channel_id": "1", "type": "message", "text": text, "reply_to": text,
				"trace_id": "trace of " + text, "message_key": "sgs:sg:stream:inbound:" + id + ":0",
			}}, payloads(t, c, "sg:stream:outbound:test"))
			require.Zero(t, pending(t, c))
			d.stop()
		})
	}
}
