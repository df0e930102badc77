package toolchain

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const zigSDK = "../../plugins/sdk/zig"

// The SDK's own tests, of what needs no host, run as a program of this machine.
func TestZigSDK(t *testing.T) {
	t.Parallel()
	compiler, err := find(".", "zig", "run npm ci --prefix tools/npm")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), compiler, "test", "test.zig")
	cmd.Dir, cmd.Env = zigSDK, append(os.Environ(), "ZIG_LOCAL_CACHE_DIR="+t.TempDir())
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", said)
}

// What the author has written wrong is in the error, with the place.
func TestBuildOfZigSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ source, said string }{
		"no handle": {"pub fn handel() void {}", "src/main.zig lacks: pub fn handle(call: *sgs.Call) !void"},
		"an emit": {
			`const sgs = @import("sgs"); pub fn handle(call: *sgs.Call) !void { try call.emit(.{ .platfrom = "x", .payload = .{} }); }`,
			"an emit has a platform or a stream, and a payload; what is platfrom?",
		},
		"a name": {`const sgs = @import("sgs"); pub fn handle(call: *sgs.Call) !void { call.replay("x"); }`, "src/main.zig:1:72: error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			sources, err := filepath.Abs(zigSDK)
			require.NoError(t, err)
			require.NoError(t, os.Symlink(sources, filepath.Join(dir, "sdk")))
			require.NoError(t, os.Mkdir(filepath.Join(dir, "src"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "src", "main.zig"), []byte(tt.source), 0o600))
			modules, err := filepath.Abs("../../tools/npm/node_modules")
			require.NoError(t, err)
			require.NoError(t, os.Symlink(modules, filepath.Join(dir, "node_modules")))
			commands, err := zigLanguage().commands(dir, filepath.Join(t.TempDir(), "out.wasm"))
			require.NoError(t, err)
			require.ErrorContains(t, commands[0].run(t.Context(), dir, io.Discard), tt.said)
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			for _, e := range entries {
				require.Contains(t, []string{"sdk", "src", "node_modules"}, e.Name(), "the compiler leaves nothing in the folder")
			}
		})
	}
}
