package app_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// built is where TestMain puts the daemon and the plugins.
var built struct {
	binary   string // the daemon
	plain    string // the daemon without the race detector, under which compiling a module takes a minute
	saboteur string // a daemon whose guards SABOTAGE takes away
	plugins  string // the folder of the plugins
	cache    string // the folder of the compiled plugins
	answer   string // a module that answers with its configuration
}

// TestMain builds what the tests run: the real daemon and real plugins, each in a process of its own.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sgstreamd-app-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// These tests wait for daemons most of their time, so there may be more of them at once than processors.
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

func build(dir string) error {
	built.binary, built.plugins = filepath.Join(dir, "sgstreamd"), filepath.Join(dir, "plugins")
	if err := goBuild(nil, "-race", "-o", built.binary, "../../cmd/sgstreamd"); err != nil {
		return err
	}
	built.plain = filepath.Join(dir, "plain")
	if err := goBuild(nil, "-o", built.plain, "../../cmd/sgstreamd"); err != nil {
		return err
	}
	built.saboteur = filepath.Join(dir, "saboteur")
	if err := goBuild(nil, "-tags", "sabotage", "-o", built.saboteur, "../../cmd/sgstreamd"); err != nil {
		return err
	}
	for name, source := range map[string]string{
		"echo": "../../plugins/examples/echo", "console": "../../plugins/examples/console", "counter": "../../plugins/examples/counter",
		"parrot": "./testdata/guests/parrot", "moody": "./testdata/guests/moody",
	} {
		if err := toolchain.Build(context.Background(), source, filepath.Join(built.plugins, name+".wasm"), io.Discard); err != nil {
			return err
		}
	}
	built.answer = filepath.Join(dir, "answer.wasm")
	if out, err := exec.Command("wat2wasm", "testdata/answer.wat", "-o", built.answer).CombinedOutput(); err != nil {
		return fmt.Errorf("wat2wasm, of Debian's package wabt: %w\n%s", err, out)
	}
	// Compiling a Go module takes seconds, many times that under the race detector: the cache is filled once, by
	// a daemon without it.
	for _, processor := range []string{"echo", "counter", "parrot", "moody"} {
		cmd := exec.Command(built.plain, "dev", "--plugins", built.plugins, "--processor", processor)
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("fill the compile cache: %w\n%s", err, out)
		}
	}
	built.cache = filepath.Join(dir, "cache", "sgstreamd")
	return nil
}

func goBuild(env []string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}
