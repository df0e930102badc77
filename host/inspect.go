package host

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Inspection is what a module's file tells without being run.
type Inspection struct {
	// Name is the plugin's name, that of the file without its ending.
	Name string `json:"name"`
	// File is the path that was read, and Size its length in bytes.
	File string `json:"file"`
	Size int    `json:"size"`
	// ABI is abi.Module where the module says that it was written for it, else empty.
	ABI string `json:"abi"`
	// SHA256 is the file's hash, in hexadecimal digits.
	SHA256 string `json:"sha256"`
	// Asks is what the module asks for.
	Asks Grant `json:"asks"`
	// HasManifest tells whether there is one in the module; Manifest is it, or what holds where there is none.
	HasManifest bool         `json:"has_manifest"`
	Manifest    abi.Manifest `json:"manifest"`
	// Imports and Exports are the module's functions, in the order of their names.
	Imports []Function `json:"imports"`
	Exports []Function `json:"exports"`
	// MemoryMin and MemoryMax are the size of the linear memory at the beginning and at most, in bytes. A module that
	// declares no maximum has the greatest that there is, 4 GiB.
	MemoryMin uint64 `json:"memory_min"`
	MemoryMax uint64 `json:"memory_max"`
	// Refused is why the host does not load it, whatever it is granted; empty where it does.
	Refused string `json:"refused,omitempty"`
}

// Function is one that a module imports or exports.
type Function struct {
	// Name is the function's name; that of an import has the module's before it, as in "sgs_v1.emit".
	Name string `json:"name"`
	// Type is its type, such as "(i32, i32) -> i64".
	Type string `json:"type"`
}

// Inspect reads a module's file. Its error is about what is no module at all; one that the host would refuse for another
// reason is described as far as it can be.
func Inspect(ctx context.Context, path string) (Inspection, error) {
	in := Inspection{File: path, Name: strings.TrimSuffix(filepath.Base(path), ".wasm")}
	binary, err := readModule(path)
	if err != nil {
		return in, err
	}
	sum := sha256.Sum256(binary)
	in.Size, in.SHA256 = len(binary), hex.EncodeToString(sum[:])
	if err := checkHeader(binary); err != nil {
		return in, fmt.Errorf("%s: %w", path, err)
	}
	p := &Plugin{host: &Host{}, name: in.Name, cfg: DefaultPlugin()}
	p.cfg.MemoryLimit = 4 * units.GiB
	bounded, err := p.boundSections(binary)
	if err != nil {
		return in, fmt.Errorf("%s: %w", path, err)
	}
	// Nothing of it is run, and the interpreter has less to prepare.
	config := wazero.NewRuntimeConfigInterpreter().WithCustomSections(true)
	c, err := compileWith(ctx, config, bounded)
	if err != nil {
		return in, fmt.Errorf("%s: %w", path, describeCompileError(err))
	}
	defer c.close(ctx)
	if err := p.checkCompiled(ctx, c); err != nil {
		in.Refused = err.Error()
	}
	p.compiled = c
	in.Asks = p.asked()
	in.describe(c, p.manifest)
	return in, nil
}

func (in *Inspection) describe(c *compiled, manifest abi.Manifest) {
	in.Manifest = manifest
	in.HasManifest = slices.ContainsFunc(c.module.CustomSections(), func(s api.CustomSection) bool { return s.Name() == abi.ManifestSection })
	in.Imports, in.Exports = []Function{}, []Function{}
	for _, d := range c.module.ImportedFunctions() {
		module, name := importOf(d)
		in.Imports = append(in.Imports, Function{module + "." + name, signature(d.ParamTypes(), d.ResultTypes())})
	}
	for name, d := range c.module.ExportedFunctions() {
		in.Exports = append(in.Exports, Function{oneLine(name), signature(d.ParamTypes(), d.ResultTypes())})
		if name == abi.ExportMarker {
			in.ABI = abi.Module
		}
	}
	for _, m := range c.module.ExportedMemories() {
		in.MemoryMin, in.MemoryMax = uint64(m.Min())*pageSize, 4<<30
		if pages, bounded := m.Max(); bounded {
			in.MemoryMax = uint64(pages) * pageSize
		}
	}
	byName := func(a, b Function) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(in.Imports, byName)
	slices.SortFunc(in.Exports, byName)
}

// ImportsAny tells whether the module imports one of the host's functions.
func (in *Inspection) ImportsAny(names ...string) bool {
	return slices.ContainsFunc(in.Imports, func(f Function) bool {
		name, own := strings.CutPrefix(f.Name, abi.Module+".")
		return own && slices.Contains(names, name)
	})
}

// AskedHosts are the origins of the manifest's hosts, as an operator would write them in http.origins, if the
// configuration is this one.
func (in *Inspection) AskedHosts(config map[string]any) ([]string, error) {
	doc, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("plugins.%s.config: %w", in.Name, err)
	}
	p := &Plugin{name: in.Name, manifest: in.Manifest}
	hosts := []string{}
	for _, text := range in.Manifest.Hosts {
		o, err := p.askedHost(text, doc)
		if err != nil {
			return nil, fmt.Errorf("its manifest's hosts: %w", err)
		}
		hosts = append(hosts, o.String())
	}
	return hosts, nil
}

// Deliver hands an instance a document of that many zero bytes, which it then does not handle: for a tool that tries out
// sgs_alloc. Its error is as that of Handle.
func (p *Plugin) Deliver(ctx context.Context, size int) error {
	if err := p.pool.acquire(ctx, nil); err != nil {
		return p.named(err)
	}
	defer p.pool.release()
	in, begun, err := p.takeInstance(ctx, time.Now())
	if err != nil {
		return p.named(err)
	}
	c := in.begin(ctx, nil, begun)
	_, err = c.deliver(make([]byte, size))
	c.end()
	if err != nil {
		in.close()
		return p.named(err)
	}
	p.giveBack(in, time.Now())
	return nil
}
