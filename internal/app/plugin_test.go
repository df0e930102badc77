package app_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// plugin runs sgstreamd plugin.
func plugin(t *testing.T, args ...string) (out, errOut string, code int) {
	t.Helper()
	return runProgram(t, built.plain, strings.NewReader(""), append([]string{"plugin"}, args...)...)
}

func TestPluginBuildAndInspect(t *testing.T) {
	t.Parallel()
	module := filepath.Join(t.TempDir(), "deep", "bot.wasm")
	out, errOut, code := plugin(t, "build", "../../plugins/examples/echo", "-o", module)
	require.Equal(t, 0, code, errOut)
	require.Equal(t, module+"\n", out)

	out, errOut, code = plugin(t, "inspect", module)
	require.Equal(t, 0, code, errOut)
	require.Regexp(t, `(?m)^abi +sgs_v1$`, out)
	require.Contains(t, out, "sgs_handle (i32, i32) -> i64")
	require.Contains(t, out, "what it would need granted:")

	out, errOut, code = plugin(t, "inspect", module, "--json")
	require.Equal(t, 0, code, errOut)
	var in struct{ Name, ABI string }
	require.NoError(t, json.Unmarshal([]byte(out), &in))
	require.Equal(t, "bot", in.Name)
	require.Equal(t, "sgs_v1", in.ABI)
}

func TestPluginTestRunsTheFixtures(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("../../plugins/examples/*/tests")
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, folder := range folders {
		out, errOut, code := plugin(t, "test", filepath.Dir(folder))
		require.Equal(t, 0, code, errOut+out)
		require.Regexp(t, `(?m)^ok    [a-z-]+.json  [\d.]+m?s$`, out)
	}

	// Of another plugin, which does something else.
	out, errOut, code := plugin(t, "test", "../../plugins/examples/counter", "--module", filepath.Join(built.plugins, "echo.wasm"))
	require.Equal(t, 1, code)
	require.Contains(t, out, "FAIL  third.json (- expected, + came)\n")
	require.Regexp(t, `(?m)^      - +"text": "message 3",$`, out)
	require.Regexp(t, `(?m)^      \+ +"text": "hello",$`, out)
	require.Equal(t, "sgstreamd: 2 of 2 fixtures failed\n", errOut)
}

func TestPluginCheckAndBench(t *testing.T) {
	t.Parallel()
	module := filepath.Join(t.TempDir(), "echo.wasm")
	_, errOut, code := plugin(t, "build", "../../plugins/examples/echo-c", "-o", module)
	require.Equal(t, 0, code, errOut)
	out, errOut, code := plugin(t, "check", module)
	require.Equal(t, 0, code, errOut+out)
	require.Contains(t, out, "ok    two instances side by side\n")

	out, errOut, code = plugin(t, "check", "../../host/testdata/import_unknown.wasm")
	require.Equal(t, 1, code)
	require.Contains(t, out, "FAIL  the contract: imports, exports, manifest: imports sgs_v1.emitt")
	require.Equal(t, "sgstreamd: 1 checks failed\n", errOut)

	out, errOut, code = plugin(t, "bench", module, "--duration", "20ms", "--concurrency", "1,2")
	require.Equal(t, 0, code, errOut)
	require.Regexp(t, `(?m)^AT ONCE +CALLS/S +P50 +P99 +MEMORY +OUTCOMES$`, out)
	require.Regexp(t, `(?m)^2 +\d+ .* KiB +done \d+$`, out)
	out, errOut, code = plugin(t, "bench", module, "--duration", "20ms", "--concurrency", "1", "--json")
	require.Equal(t, 0, code, errOut)
	require.True(t, json.Valid([]byte(out)), out)
}

func TestPluginCommandsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	file := filepath.Join(empty, "x.wasm")
	require.NoError(t, os.WriteFile(file, []byte("nonsense"), 0o600))
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"build"}, 2, "accepts 1 arg(s), received 0"},
		{[]string{"build", filepath.Join(empty, "nowhere")}, 2, "nowhere: no such file or directory"},
		{[]string{"build", file}, 2, "x.wasm: is not a plugin's folder"},
		{[]string{"build", empty}, 1, "no plugin that can be built: it has none of main.go (go)"},
		{[]string{"new", "my bot"}, 2, `a plugin can't be called "my bot"; use up to 64 letters, digits, _ and -`},
		{[]string{"new", empty}, 2, empty + " is there already; name another folder"},
		{[]string{"new", "x", "--lang", "perl"}, 2, `there is no language "perl"; write one of go, rust, c, zig, assemblyscript`},
		{[]string{"new", "x", "--kind", "bot"}, 2, `there is no kind "bot"; write one of processor, adapter`},
		{[]string{"test", file}, 2, "x.wasm: is not a plugin's folder"},
		{[]string{"test", empty}, 1, "tests: no fixture, a file that ends in .json, is in it"},
		{[]string{"check", file}, 1, `x.wasm: is not a WebAssembly module: it does not begin with "\0asm"`},
		{[]string{"check", file, "--config", file}, 2, "x.wasm: is no JSON object"},
		{[]string{"bench", file}, 1, `x.wasm: is not a WebAssembly module: it does not begin with "\0asm"`},
		{[]string{"bench", file, "--concurrency", "0"}, 2, "--duration and --concurrency must be more than 0"},
		{[]string{"bench", file, "--payload", file}, 1, "payload: document is not JSON"},
		{[]string{"inspect", file}, 1, `x.wasm: is not a WebAssembly module: it does not begin with "\0asm"`},
		{[]string{"inspect", "../../host/testdata/import_unknown.wasm"}, 1, "did you mean emit?"},
	} {
		_, errOut, code := plugin(t, test.args...)
		require.Equal(t, test.code, code, "%v: %s", test.args, errOut)
		require.Contains(t, errOut, test.want, "%v", test.args)
	}
}

// Whoever wants to try the daemon should not need the compiler of every language.
func TestPluginBuildSkipsWhatLacksItsCompiler(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n"), 0o600))
	t.Setenv("PATH", t.TempDir())
	_, errOut, code := plugin(t, "build", dir)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "there is no go; install Go")
	_, errOut, code = plugin(t, "build", dir, "--skip-missing")
	require.Equal(t, 0, code, errOut)
	require.Contains(t, errOut, "skipped: "+dir+": there is no go; install Go")
	require.NoFileExists(t, filepath.Join(dir, filepath.Base(dir)+".wasm"))
}
