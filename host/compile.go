package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/sgstreamd/sgstreamd/abi"
)

// compiled is a module that is ready to be instantiated, in a runtime of its own: the memory limit is the
// runtime's, and closing the runtime frees all that was made in it.
type compiled struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

// close frees the runtime. The machine code lives in the engine that the runtimes share through the
// cache, so it must be let go of separately.
func (c *compiled) close(ctx context.Context) error {
	err := c.runtime.Close(ctx)
	return errors.Join(err, c.module.Close(ctx))
}

// compile sets p.compiled and p.manifest, or says in one line what is wrong with the module.
func (p *Plugin) compile(ctx context.Context, binary []byte) error {
	if err := checkHeader(binary); err != nil {
		return err
	}
	binary, err := p.boundSections(binary)
	if err == nil {
		binary, err = interruptible(binary)
	}
	if err != nil {
		return err
	}
	c, err := p.host.compile(ctx, binary, p.memoryLimit())
	if err != nil {
		return describeCompileError(err)
	}
	if err := p.checkCompiled(ctx, c); err != nil {
		return errors.Join(err, c.close(ctx))
	}
	p.compiled = c
	return nil
}

func (p *Plugin) checkCompiled(ctx context.Context, c *compiled) error {
	var section []byte
	for _, s := range c.module.CustomSections() {
		if s.Name() != abi.ManifestSection {
			continue
		}
		if section != nil {
			return fmt.Errorf("has more than one custom section %s; it must be built with one", abi.ManifestSection)
		}
		section = s.Data()
	}
	var err error
	if p.manifest, err = abi.ParseManifest(section); err != nil {
		return err
	}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, c.runtime); err != nil {
		return fmt.Errorf("host functions of %s: %w", abi.WASIModule, err)
	}
	if err := instantiateFunctions(ctx, c.runtime, p.host.refuse); err != nil {
		return fmt.Errorf("host functions of %s: %w", abi.Module, err)
	}
	return checkModule(c)
}

// compile compiles through the cache, and without it where that fails: a damaged or full cache must not
// keep a plugin from being loaded.
func (h *Host) compile(ctx context.Context, binary []byte, limit uint32) (*compiled, error) {
	config := wazero.NewRuntimeConfig().WithCustomSections(true).WithDebugInfoEnabled(false).WithMemoryLimitPages(limit)
	c, err := compileWith(ctx, config.WithCompilationCache(h.cache), binary)
	if err == nil || h.cacheDir == "" {
		return c, err
	}
	c, retryErr := compileWith(ctx, config, binary)
	if retryErr != nil {
		return nil, retryErr
	}
	h.log.WarnContext(ctx, "the compile cache failed, so a module was compiled without it; remove the folder if this comes again",
		"folder", h.cacheDir, "error", oneLine(err.Error()))
	return c, nil
}

func compileWith(ctx context.Context, config wazero.RuntimeConfig, binary []byte) (*compiled, error) {
	c := &compiled{runtime: sparing{wazero.NewRuntimeWithConfig(ctx, config)}}
	ctx = experimental.WithCompilationWorkers(ctx, goruntime.GOMAXPROCS(0))
	err := guard(func() (err error) {
		c.module, err = c.runtime.CompileModule(ctx, binary)
		return err
	})
	if err != nil {
		_ = c.runtime.Close(ctx) // holds nothing yet
		return nil, err
	}
	return c, nil
}

// describeCompileError turns the engine's words into one line for the module's author.
func describeCompileError(err error) error {
	text := oneLine(err.Error())
	if strings.Contains(text, `feature "`) && strings.Contains(text, "disabled") {
		return fmt.Errorf("uses a WebAssembly feature that the host does not have: %s", text)
	}
	return fmt.Errorf("is truncated or corrupt: %s", text)
}

// checkHeader tells a core module from all else by its first eight bytes.
func checkHeader(binary []byte) error {
	magic, version := []byte("\x00asm"), []byte{1, 0, 0, 0}
	switch {
	case len(binary) == 0:
		return errors.New("is not a WebAssembly module: the file is empty")
	case !bytes.HasPrefix(binary, magic):
		return errors.New(`is not a WebAssembly module: it does not begin with "\0asm"`)
	case len(binary) < 8:
		return errors.New("is truncated or corrupt: it ends within its header")
	case bytes.Equal(binary[4:8], []byte{0x0d, 0, 1, 0}):
		return errors.New("is a WebAssembly component; a plugin is a core module: build for the target wasip1")
	case !bytes.Equal(binary[4:8], version):
		return fmt.Errorf("is of the WebAssembly binary version % x; the host knows 01 00 00 00", binary[4:8])
	}
	return nil
}

// guard turns a panic into an error. The engine recovers those of the code that it runs; this is for its own.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f()
}
