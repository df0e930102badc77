package host

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/tetratelabs/wazero/api"

	"github.com/sgstreamd/sgstreamd/abi"
)

type definitions map[string]api.FunctionDefinition

// checkModule holds the module's imports and exports against the contract and returns the first
// difference, in the words of the module's author. The host's own modules stand in the runtime already.
func checkModule(c *compiled) error {
	offered := map[string]definitions{}
	for _, name := range []string{abi.Module, abi.WASIModule} {
		offered[name] = c.runtime.Module(name).ExportedFunctionDefinitions()
	}
	for _, d := range c.module.ImportedMemories() {
		module, name := importOf(d)
		return fmt.Errorf("imports the memory %s.%s; a plugin has a memory of its own and exports it as %q", module, name, abi.ExportMemory)
	}
	for _, d := range c.module.ImportedFunctions() {
		if err := checkImport(d, offered); err != nil {
			return err
		}
	}
	exports := definitions(c.module.ExportedFunctions())
	if exports[abi.ExportStart] != nil && exports[abi.ExportInitialize] == nil {
		return fmt.Errorf("is a command (it exports %s), and a plugin is a reactor: build it with -buildmode=c-shared (Go, TinyGo), "+
			"as a cdylib (Rust), or with -mexec-model=reactor (clang)", abi.ExportStart)
	}
	if c.module.ExportedMemories()[abi.ExportMemory] == nil {
		return fmt.Errorf("lacks the export %q; a plugin exports its linear memory under that name", abi.ExportMemory)
	}
	for _, e := range abi.Exports() {
		if err := checkExport(e, exports); err != nil {
			return err
		}
	}
	return nil
}

// checkImportKinds refuses a table or a global that a module wants to import: the host has none, and the engine says so only
// when the module is to run. The section's vectors were checked.
func checkImportKinds(section []byte) error {
	r := &reader{rest: section}
	var err error
	r.vector(func() {
		at := *r
		module, name := oneLine(string(at.name())), oneLine(string(at.name()))
		switch r.imported() {
		case 1:
			err = fmt.Errorf("imports the table %s.%s; a plugin imports functions only", module, name)
		case 3:
			err = fmt.Errorf("imports the global %s.%s; a plugin imports functions only", module, name)
		}
	})
	return err
}

func checkImport(d api.FunctionDefinition, offered map[string]definitions) error {
	module, name := importOf(d)
	functions, ok := offered[module]
	if !ok {
		return fmt.Errorf("imports %s.%s; a plugin may import from %s and %s only", module, name, abi.Module, abi.WASIModule)
	}
	f, ok := functions[name]
	if !ok {
		return fmt.Errorf("imports %s.%s, which the host does not have%s", module, name, suggest(name, functions))
	}
	have, want := signature(d.ParamTypes(), d.ResultTypes()), signature(f.ParamTypes(), f.ResultTypes())
	if have != want {
		return fmt.Errorf("imports %s.%s as %s; it is %s", module, name, have, want)
	}
	return nil
}

func checkExport(e abi.Export, exports definitions) error {
	d, ok := exports[e.Name]
	if !ok {
		if !e.Required {
			return nil
		}
		known := map[string]bool{}
		for _, other := range abi.Exports() {
			known[other.Name] = true
		}
		strangers := maps.Clone(exports)
		maps.DeleteFunc(strangers, func(name string, _ api.FunctionDefinition) bool { return known[name] })
		if near := nearest(e.Name, strangers); near != "" {
			return fmt.Errorf("lacks the export %s; it exports %s: is that what is meant?", e.Name, oneLine(near))
		}
		return fmt.Errorf("lacks the export %s %s", e.Name, signature(e.Signature.Params, e.Signature.Results))
	}
	have, want := signature(d.ParamTypes(), d.ResultTypes()), signature(e.Signature.Params, e.Signature.Results)
	if have != want {
		return fmt.Errorf("exports %s as %s; it must be %s", e.Name, have, want)
	}
	return nil
}

// importOf returns the names of an import, fit for one line: they are the module's, and may be anything.
func importOf(d interface {
	Import() (module, name string, isImport bool)
}) (module, name string) {
	module, name, _ = d.Import()
	return oneLine(module), oneLine(name)
}

func suggest(name string, among definitions) string {
	if near := nearest(name, among); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return ""
}

// nearest returns the name that was probably meant, or nothing where none is near.
func nearest(name string, among definitions) string {
	best, distance := "", max(1, len(name)/3)+1
	for _, other := range slices.Sorted(maps.Keys(among)) {
		if d := levenshtein.ComputeDistance(name, other); d < distance {
			best, distance = other, d
		}
	}
	return best
}

// signature spells a function's type, such as "(i32, i32) -> i64".
func signature(params, results []api.ValueType) string {
	if len(results) == 1 {
		return list(params) + " -> " + api.ValueTypeName(results[0])
	}
	return list(params) + " -> " + list(results)
}

func list(types []api.ValueType) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = api.ValueTypeName(t)
	}
	return "(" + strings.Join(names, ", ") + ")"
}
