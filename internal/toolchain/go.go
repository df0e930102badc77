package toolchain

func goLanguage() Language {
	return Language{Name: "go", Source: "main.go", commands: func(dir, out string) ([]command, error) {
		compiler, err := find(dir, "go", "install Go: https://go.dev/dl/")
		if err != nil {
			return nil, err
		}
		// The functions' names stay in the module, for the traces of traps: -s would leave them out, and save 60 KB of
		// 2.8 MB. -trimpath keeps the builder's own folders out of it.
		return []command{{
			args: []string{compiler, "build", "-buildmode=c-shared", "-trimpath", "-o", out, "."},
			env:  []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"},
		}}, nil
	}}
}
