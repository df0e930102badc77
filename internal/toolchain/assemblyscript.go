package toolchain

func assemblyScriptLanguage() Language {
	return Language{Name: "assemblyscript", Source: "assembly/index.ts", commands: func(dir, out string) ([]command, error) {
		compiler, err := find(dir, "asc", "install AssemblyScript: npm install --global assemblyscript")
		if err != nil {
			return nil, err
		}
		packages, err := sdk(dir, "assemblyscript", "sgstreamd/index.ts")
		if err != nil {
			return nil, err
		}
		return []command{{args: []string{
			compiler, "assembly/index.ts", "--outFile", out, "--path", packages,
			"--use", "abort=~lib/sgstreamd/abort/abort", "--exportStart", "_initialize", "--runtime", "incremental",
			"-O3", "--enable", "simd", "--debug", // which keeps the functions' names, for traps
		}}}, nil
	}}
}
