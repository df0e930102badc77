package app_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/scaffold"
)

// author is somebody who writes a plugin: in a folder of their own, with the program and the compilers on PATH.
type author struct {
	t   *testing.T
	dir string
	env []string
}

func newAuthor(t *testing.T) *author {
	t.Helper()
	tools, err := filepath.Abs("../../tools/npm/node_modules/.bin")
	require.NoError(t, err)
	a := &author{t: t, dir: t.TempDir()}
	bin := filepath.Join(a.dir, ".bin")
	require.NoError(t, os.Mkdir(bin, 0o700))
	require.NoError(t, os.Symlink(built.plain, filepath.Join(bin, "sgstreamd")))
	path := strings.Join([]string{bin, os.Getenv("PATH"), tools}, string(os.PathListSeparator))
	a.env = append(os.Environ(), "PATH="+path, "XDG_CACHE_HOME="+filepath.Dir(built.cache), "SGSTREAMD_ADMIN__LISTEN=127.0.0.1:0")
	return a
}

// command is `sgstreamd` with the arguments, in the author's folder.
func (a *author) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(a.t.Context(), filepath.Join(a.dir, ".bin", "sgstreamd"), args...)
	cmd.Args[0] = "sgstreamd"
	cmd.Dir, cmd.Env = a.dir, a.env
	return cmd
}

// does runs a command, which must not fail, and returns what it said.
func (a *author) does(args ...string) string {
	a.t.Helper()
	said, err := a.command(args...).CombinedOutput()
	require.NoError(a.t, err, "%v: %s", args, said)
	return string(said)
}

// change replaces a text of a file, which must be there.
func (a *author) change(file, old, new string) {
	a.t.Helper()
	path := filepath.Join(a.dir, file)
	text, err := os.ReadFile(path)
	require.NoError(a.t, err)
	require.Contains(a.t, string(text), old)
	require.NoError(a.t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, new)), 0o600))
}

// dev runs `sgstreamd dev --trace`. Its lines are the replies and the trace; what is written to in is typed.
func (a *author) dev(args ...string) (p *process, in io.WriteCloser) {
	a.t.Helper()
	p = &process{t: a.t, cmd: a.command(append([]string{"dev", "--trace"}, args...)...), done: make(chan struct{}), grown: make(chan struct{})}
	in, err := p.cmd.StdinPipe()
	require.NoError(a.t, err)
	said, write, err := os.Pipe()
	require.NoError(a.t, err)
	p.cmd.Stdout, p.cmd.Stderr = write, write
	require.NoError(a.t, p.cmd.Start())
	require.NoError(a.t, write.Close())
	go func() {
		defer said.Close()
		p.read(said)
	}()
	a.t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if a.t.Failed() {
			a.t.Logf("dev said:\n%s", p.log())
		}
	})
	return p, in
}

func typeLine(t *testing.T, in io.Writer, line string) {
	t.Helper()
	_, err := io.WriteString(in, line+"\n")
	require.NoError(t, err)
}

// What an author does first, in every language, each command once: make a plugin, build and test it, talk to it, change a
// line, and see the change in the next reply of the same dev.
func TestAnAuthorsFirstMinute(t *testing.T) {
	t.Parallel()
	for _, lang := range scaffold.Languages() {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			a := newAuthor(t)
			begun := time.Now()
			source := "my-bot/" + scaffold.Source(lang)
			require.Equal(t, "my-bot is there; its function is in "+source+`. Next:
  sgstreamd plugin test my-bot
  sgstreamd plugin build my-bot
  sgstreamd dev --plugins my-bot
`, a.does("plugin", "new", "my-bot", "--lang", lang))
			require.Equal(t, "my-bot/my-bot.wasm\n", a.does("plugin", "build", "my-bot"))
			p, in := a.dev("--plugins", "my-bot")
			typeLine(t, in, "one")
			p.line("you said: one")

			a.change(source, "you said: ", "did you say: ")
			a.does("plugin", "build", "my-bot")
			require.Regexp(t, `^ok    hello.json  \S+\n$`, a.does("plugin", "test", "my-bot"))
			p.line("my-bot", "plugin replaced")
			typeLine(t, in, "two")
			p.line("did you say: two")
			t.Logf("new, build, dev, change, build, test and dev took %v", time.Since(begun).Round(time.Millisecond))

			require.NoError(t, in.Close())
			require.Equal(t, 0, p.exit())
			require.NotContains(t, p.log(), "WARN")
			require.NotContains(t, p.log(), "ERROR")
		})
	}
}

// A new adapter delivers what is typed to the server of its dev.toml.
func TestANewAdapterDeliversInDev(t *testing.T) {
	t.Parallel()
	delivered := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		delivered <- r.Method + " " + r.URL.Path + " " + string(body)
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	a := newAuthor(t)
	require.Contains(t, a.does("plugin", "new", "my-chat", "--lang", "c", "--kind", "adapter"), "\n  sgstreamd dev --plugins my-chat --config my-chat/dev.toml\n")
	a.does("plugin", "build", "my-chat")
	a.change("my-chat/dev.toml", "127.0.0.1:8080", at.Host)
	p, in := a.dev("--plugins", "my-chat", "--config", "my-chat/dev.toml")
	typeLine(t, in, "hello")
	p.line("message completed")
	require.Equal(t, "POST /messages hello", <-delivered)
	require.NoError(t, in.Close())
	require.Equal(t, 0, p.exit())
}

func TestDevSaysWhatAnAuthorHasToDoFirst(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	require.NoError(t, os.Mkdir(filepath.Join(a.dir, "empty"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, "empty", "file"), nil, 0o600))
	a.does("plugin", "new", "my-bot", "--lang", "c")
	for plugins, want := range map[string]string{
		"my-bot":     "no plugin, a file that ends in .wasm, is in my-bot; build one: sgstreamd plugin build my-bot",
		"empty":      "no plugin, a file that ends in .wasm, is in empty; build one: sgstreamd plugin build DIR -o empty/NAME.wasm",
		"empty/file": "empty/file is a file; name the folder that it is in, empty",
		"nowhere":    "there is no folder nowhere; name that of the plugins",
	} {
		said, err := a.command("dev", "--plugins", plugins).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(said), "sgstreamd: flag --plugins: "+want+"\n")
	}
}
