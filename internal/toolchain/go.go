package toolchain

func goLanguage() Language {
	return Language{Name: "go", Source: "main.go", commands: func(dir, out string) ([]command, error) {
		compiler, err := find(dir, "go", "install Go: https://go.dev/dl/")
		if err != nil {
			return nil, err
		}
		// -w leaves out what only a debugger reads; the functions' names stay, for the traces of traps.
		return []command{{
			args: []string{compiler, "build", "-buildmode=c-shared", "-ldflags", "-w", "-o", out, "."},
			env:  []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"},
		}}, nil
	}}
}
