package toolchain

func assemblyScriptLanguage() Language {
	return Language{Name: "assemblyscript", Source: "assembly/index.ts", commands: func(dir, out string) ([]command, error) {
		compiler, err := find(dir, "asc", "install AssemblyScript: npm install --global assemblyscript")
		if err != nil {
			return nil, err
		}
		return []command{{args: []string{
			compiler, "assembly/index.ts", "--outFile", out, "-O3", "--runtime", "incremental", "--exportRuntime=false", "--debug",
		}}}, nil
	}}
}
