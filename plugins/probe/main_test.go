// Package probe holds every SDK against the contract: the same probe in each language, and the same table of what it has
// to do.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// languages are those that have an SDK.
func languages() []string { return []string{"go", "rust", "c", "zig", "assemblyscript"} }

// built is the folder of the probes, and that of their compiled form.
var built struct{ modules, cache, daemon string }

// TestMain builds each probe once. Compiling them takes a minute under the race detector, and a second in a program
// without it, which fills the cache for all tests.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sgstreamd-probe-test-")
	if err == nil {
		built.modules, built.cache, built.daemon = filepath.Join(dir, "modules"), filepath.Join(dir, "cache", "sgstreamd"), filepath.Join(dir, "sgstreamd")
		err = build()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

func build() error {
	if out, err := exec.Command("go", "build", "-o", built.daemon, "../../cmd/sgstreamd").CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	var errs []error
	for _, lang := range languages() {
		errs = append(errs, toolchain.Build(context.Background(), lang, module(lang), io.Discard))
	}
	for _, lang := range languages() {
		out, err := daemon(context.Background(), "plugin", "bench", module(lang), "--duration", "1ms", "--concurrency", "1")
		if err != nil {
			errs = append(errs, fmt.Errorf("%w\n%s", err, out))
		}
	}
	return errors.Join(errs...)
}

// module is the file of a probe.
func module(lang string) string { return filepath.Join(built.modules, lang+".wasm") }

// daemon runs the program with the cache of these tests.
func daemon(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, built.daemon, args...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Dir(built.cache))
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
