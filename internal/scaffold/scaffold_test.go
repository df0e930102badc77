package scaffold

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// daemon is the program. It is one of its own, since compiling a module takes a minute under the race detector.
var daemon string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sgstreamd-scaffold-test-")
	if err == nil {
		daemon = filepath.Join(dir, "sgstreamd")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", daemon, "../../cmd/sgstreamd").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// test runs sgstreamd plugin test, with the compilers that make packages has installed.
func test(t *testing.T, dir string) (out string, err error) {
	t.Helper()
	tools, err := filepath.Abs("../../tools/npm/node_modules/.bin")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), daemon, "plugin", "test", dir)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+string(os.PathListSeparator)+tools)
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// What is made builds and passes its own test at once; and that test sees when the reply does not have
// what was said, whatever the words around it are.
func TestNewWorksAtOnce(t *testing.T) {
	t.Parallel()
	for _, lang := range Languages() {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			bot := filepath.Join(t.TempDir(), "my-bot")
			require.NoError(t, New(bot, lang, "processor"))
			require.FileExists(t, filepath.Join(bot, ".gitignore"))
			require.FileExists(t, filepath.Join(bot, Source(lang)))
			require.FileExists(t, filepath.Join(bot, "sdk", "LICENSE"))
			out, err := test(t, bot)
			require.NoError(t, err, out)
			require.Contains(t, out, "ok    hello.json")

			file := filepath.Join(bot, Source(lang))
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			changed := strings.NewReplacer("you said: ", "did you say: ", `"content"`, `"contents"`).Replace(string(text))
			require.NoError(t, os.WriteFile(file, []byte(changed), 0o600))
			out, err = test(t, bot)
			require.Error(t, err)
			require.Regexp(t, `(?m)^      - +"text": "…hello…",$`, out)
			require.Regexp(t, `(?m)^      \+ +"text": "did you say: ",$`, out)

			chat := filepath.Join(t.TempDir(), "my-chat")
			require.NoError(t, New(chat, lang, "adapter"))
			out, err = test(t, chat)
			require.NoError(t, err, out)
			require.Contains(t, out, "ok    busy.json")
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), nil, 0o600))
	for _, test := range []struct{ dir, lang, kind, want string }{
		{filepath.Join(dir, "my bot"), "go", "processor", `a plugin can't be called "my bot"; use up to 64 letters, digits, _ and -`},
		{"", "go", "processor", "the plugin's name is empty; write one, such as my-bot"},
		{dir, "go", "processor", dir + " is there already; name another folder"},
		{filepath.Join(dir, "bot"), "perl", "processor", `there is no language "perl"; write one of go, rust, c, zig, assemblyscript`},
		{filepath.Join(dir, "bot"), "go", "bot", `there is no kind "bot"; write one of processor, adapter`},
	} {
		require.EqualError(t, New(test.dir, test.lang, test.kind), test.want)
	}
	require.NoDirExists(t, filepath.Join(dir, "bot"))
}

// The compiler that a new folder names is the one that the SDK is tested with.
func TestAssemblyScriptIsTheOneOfTheTools(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../tools/npm/package.json")
	require.NoError(t, err)
	var tools struct {
		DevDependencies map[string]string `json:"devDependencies"`
	}
	require.NoError(t, json.Unmarshal(doc, &tools))
	require.Equal(t, assemblyScript, tools.DevDependencies["assemblyscript"])
}
