package toolchain

func rustLanguage() Language {
	return Language{Name: "rust", Source: "Cargo.toml", commands: func(dir, out string) ([]command, error) {
		compiler, err := find(dir, "cargo", "install Rust with the target wasm32-unknown-unknown: https://rustup.rs, or Debian's cargo and libstd-rust-dev-wasm32")
		if err != nil {
			return nil, err
		}
		return []command{{
			args: []string{compiler, "build", "--release", "--offline", "--target", "wasm32-unknown-unknown"},
			env:  []string{"RUSTFLAGS=-C linker=wasm-ld"},
		}}, nil // the module is not at out yet
	}}
}
