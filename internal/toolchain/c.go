package toolchain

import (
	"os"
	"os/exec"
	"path/filepath"
)

// cRemedy names Debian's packages; other systems have them under similar names, or in one as the WASI SDK.
const cRemedy = "install clang with WASI's C library; on Debian: apt install clang lld wasi-libc libclang-rt-dev-wasm32"

func cLanguage() Language {
	return Language{Name: "c", Source: "src/main.c", commands: func(dir, out string) ([]command, error) {
		compiler, err := find(dir, "clang", cRemedy)
		if err != nil {
			return nil, err
		}
		if _, err := find(dir, "wasm-ld", cRemedy); err != nil {
			return nil, err
		}
		// A clang without WASI's library is there on many machines, and would say only that it finds no header.
		if err := exec.Command(compiler, "--target=wasm32-wasi", "-E", "-include", "stdlib.h", "-x", "c", os.DevNull).Run(); err != nil {
			return nil, missing("clang has no C library for wasm32-wasi; " + cRemedy)
		}
		headers, err := sdk(dir, "c", "sgs.h")
		if err != nil {
			return nil, err
		}
		args := []string{
			compiler, "--target=wasm32-wasi", "-mexec-model=reactor", "-std=c11", "-O2", "-flto", "-mbulk-memory", "-Wall", "-Wextra", "-I", headers,
			// The functions' names stay, for the traces of traps. A stack that overflows traps, and writes over nothing.
			"-Wl,--strip-debug", "-Wl,--stack-first", "-Wl,-z,stack-size=131072", "-o", out,
		}
		for _, folder := range []string{filepath.Join(dir, "src"), headers} {
			sources, err := filepath.Glob(filepath.Join(folder, "*.c"))
			if err != nil {
				return nil, err
			}
			for _, source := range sources {
				if source, err = filepath.Abs(source); err != nil { // the compiler runs in the plugin's folder
					return nil, err
				}
				args = append(args, source)
			}
		}
		return []command{{args: args}}, nil
	}}
}
