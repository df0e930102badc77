package toolchain

import "path/filepath"

func cLanguage() Language {
	return Language{Name: "c", Source: "src/main.c", commands: func(dir, out string) ([]command, error) {
		compiler, err := find(dir, "clang", "install clang, lld and wasi-libc")
		if err != nil {
			return nil, err
		}
		headers, err := sdk(dir, "c", "sgs.h")
		if err != nil {
			return nil, err
		}
		return []command{{args: []string{
			compiler, "--target=wasm32-wasi", "-mexec-model=reactor", "-mbulk-memory", "-O2", "-std=c11", "-Wall", "-Wextra", "-I", headers,
			"-o", out, "src/main.c", filepath.Join(headers, "sgs.c"),
		}}}, nil
	}}
}
