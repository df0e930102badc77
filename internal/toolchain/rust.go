package toolchain

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	rustTarget = "wasm32-unknown-unknown"
	rustRemedy = "install Rust with the target " + rustTarget +
		": https://rustup.rs and rustup target add " + rustTarget + ", or Debian's cargo, libstd-rust-dev-wasm32 and lld"
)

func rustLanguage() Language {
	return Language{Name: "rust", Source: "Cargo.toml", commands: func(dir, out string) ([]command, error) {
		compiler, err := rustCompiler()
		if err != nil {
			return nil, err
		}
		// A cargo of another version than the compiler's can't run it. Copying memory by an instruction, as newer
		// compilers do anyway, spares a loop, at whose every turn the host looks whether the call's time is over.
		bin := filepath.Dir(compiler)
		env := []string{
			"RUSTC=" + compiler, "PATH=" + bin + string(filepath.ListSeparator) + os.Getenv("PATH"),
			"CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=-C target-feature=+bulk-memory",
		}
		cargo, err := exec.LookPath(filepath.Join(bin, "cargo"))
		if err != nil {
			if cargo, err = find(dir, "cargo", rustRemedy); err != nil {
				return nil, err
			}
		}
		if !bundledLinker(compiler) {
			linker, err := find(dir, "wasm-ld", "the Rust at "+compiler+" has no linker of its own; install lld")
			if err != nil {
				return nil, err
			}
			env = append(env, "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="+linker)
		}
		return []command{{
			args: []string{cargo, "rustc", "--quiet", "--lib", "--release", "--target", rustTarget, "--", "--emit=link=" + out},
			env:  env,
		}}, nil
	}}
}

// rustCompiler returns the first rustc on PATH, or where Debian and rustup put it, that has the target's library. The
// first of all may be one without.
func rustCompiler() (string, error) {
	folders := append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin")
	if home, err := os.UserHomeDir(); err == nil {
		folders = append(folders, filepath.Join(home, ".cargo", "bin"))
	}
	without := ""
	for _, folder := range folders {
		path, err := exec.LookPath(filepath.Join(folder, "rustc"))
		if folder == "" || err != nil {
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			return "", err
		}
		library, err := exec.Command(path, "--print", "target-libdir", "--target", rustTarget).Output()
		if err == nil {
			core, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(library)), "libcore-*.rlib"))
			if len(core) > 0 {
				return path, nil
			}
		}
		without = path
	}
	if without != "" {
		return "", missing(without + " lacks the target " + rustTarget + "; " + rustRemedy)
	}
	return "", missing("there is no rustc; " + rustRemedy)
}

// bundledLinker tells whether the compiler brings the linker that it would call, as rustup's does and Debian's does not.
func bundledLinker(compiler string) bool {
	root, err := exec.Command(compiler, "--print", "sysroot").Output()
	if err != nil {
		return false
	}
	linkers, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), "lib", "rustlib", "*", "bin", "rust-lld*"))
	return len(linkers) > 0
}
