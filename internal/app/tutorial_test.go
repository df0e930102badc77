package app_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
	"github.com/sgstreamd/sgstreamd/internal/scaffold"
)

// tutorialRedis is the Redis of the page. The test has one of its own in its place.
const tutorialRedis = "redis://localhost:6379/0"

// A reader who does what the page says sees what the page shows.
func TestTheTutorialDoesWhatItSays(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(page(t, "docs/plugins.md"), tutorialRedis, redistest.Start(t).URL())
	steps := tutorial(text)
	a := newAuthor(t)
	sh := startShell(a)
	commands := 0
	for _, s := range steps {
		if s.file != "" {
			path := filepath.Join(a.dir, s.file)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(s.shown), 0o600))
			continue
		}
		commands++
		sh.sees(s.command, s.shown)
	}
	require.Greater(t, commands, 30, "the page's commands were not found")
}

// The tables of the plugins and the packages are whole.
func TestReadmeListsTheExamplesAndThePackages(t *testing.T) {
	t.Parallel()
	readme, guide := page(t, "README.md"), page(t, "docs/plugins.md")
	examples, err := filepath.Glob(root + "/plugins/examples/*")
	require.NoError(t, err)
	require.NotEmpty(t, examples)
	for _, e := range examples {
		require.Contains(t, readme, "](plugins/examples/"+filepath.Base(e)+")")
	}
	for _, lang := range scaffold.Languages() {
		require.Contains(t, guide, "](../plugins/sdk/"+lang+"/README.md)")
	}
	packages := regexp.MustCompile(`(?m)^(?:program|file) .* (\S+)$|missing="\$missing (python3.*)"$`).FindAllStringSubmatch(page(t, "tools/packages"), -1)
	require.NotEmpty(t, packages)
	for _, m := range packages {
		for name := range strings.FieldsSeq(m[1] + " " + m[2]) {
			require.Contains(t, readme, "`"+name+"`")
		}
	}
}

// step is one thing that a reader does: write a file, or run a command.
type step struct {
	file, command string
	shown         string // what is in the file, or what the command prints
}

var (
	fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	// named is a text that ends in the name of a file, whose content follows.
	named = regexp.MustCompile("`([\\w./-]+)`:\\s*$")
)

// tutorial are the steps of a page: each command of its consoles, and each block that follows a file's name and a colon.
func tutorial(page string) (steps []step) {
	end := 0
	for _, at := range fence.FindAllStringSubmatchIndex(page, -1) {
		before, lang, block := page[end:at[0]], page[at[2]:at[3]], page[at[4]:at[5]]
		end = at[1]
		if lang != "console" {
			if m := named.FindStringSubmatch(before); m != nil {
				steps = append(steps, step{file: m[1], shown: block})
			}
			continue
		}
		for line := range strings.Lines(block) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				steps = append(steps, step{command: strings.TrimSpace(command)})
			} else {
				steps[len(steps)-1].shown += line
			}
		}
	}
	return steps
}

// shell is one that lives as long as the page.
type shell struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

func startShell(a *author) *shell {
	a.t.Helper()
	cmd := exec.Command("sh")
	cmd.Dir, cmd.Env = a.dir, append(a.env, "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with what it has started in the background
	in, err := cmd.StdinPipe()
	require.NoError(a.t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(a.t, err)
	require.NoError(a.t, cmd.Start())
	a.t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		io.Copy(io.Discard, out)
		cmd.Wait()
	})
	return &shell{t: a.t, in: in, out: bufio.NewReader(out)}
}

// endOfOutput is a line behind what a command prints.
const endOfOutput = "-- end of the output --\n"

// does runs a command and returns what it prints.
func (s *shell) does(command string) string {
	s.t.Helper()
	_, err := fmt.Fprintf(s.in, "{ %s\n} 2>&1 </dev/null; echo; echo %q\n", command, strings.TrimSpace(endOfOutput))
	require.NoError(s.t, err)
	var said strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		require.NoError(s.t, err, "%s: %s", command, said.String())
		if line == endOfOutput {
			return strings.TrimSuffix(said.String(), "\n")
		}
		said.WriteString(line)
	}
}

// sees expects a command to print what is shown. A command that only looks is repeated until it does: a reader is slower
// than a test.
func (s *shell) sees(command, shown string) {
	s.t.Helper()
	looks := strings.HasPrefix(command, "grep ") || strings.HasPrefix(command, "redis-cli ")
	want := pattern(shown)
	said := s.does(command)
	for deadline := time.Now().Add(patience); looks && !want.MatchString(said) && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond) // between two looks, as eventually
		said = s.does(command)
	}
	require.Truef(s.t, want.MatchString(said), "$ %s\nthe page shows:\n%s\nit prints:\n%s", command, shown, said)
}

// pattern matches what is shown, with anything in the place of each …, and any lines in that of one that is alone.
func pattern(shown string) *regexp.Regexp {
	var p strings.Builder
	for line := range strings.Lines(shown) {
		if line == "…\n" {
			p.WriteString(`(?:.*\n)+?`)
			continue
		}
		p.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*"))
	}
	return regexp.MustCompile("^" + p.String() + "$")
}

func TestWhatAPageShowsIsWhatIsPrinted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		shown, printed string
		is             bool
	}{
		{"", "", true},
		{"", "more\n", false},
		{"a.\n", "a.\n", true},
		{"a.\n", "ab\n", false},
		{"a\n", "a\nmore\n", false},
		{"ok  …\n", "ok  3ms\n", true},
		{"ok  …\n", "ok  3ms\nmore\n", false},
		{"a\n…\nz\n", "a\nb\nc\nz\n", true},
		{"a\n…\nz\n", "a\nz\n", false},
	} {
		require.Equal(t, test.is, pattern(test.shown).MatchString(test.printed), "%q shows %q", test.shown, test.printed)
	}
	require.Equal(t, []step{
		{file: "a/b.toml", shown: "x = 1\n"},
		{command: "one", shown: "1\n\n2\n"}, {command: "two"},
	}, tutorial("In `a/b.toml`:\n\n```toml\nx = 1\n```\n\nof `c`\n\n```toml\ny = 2\n```\n\n```console\n$ one\n1\n\n2\n$ two\n```\n"))
}
