// Package inspect shows what is in a plugin's module, and what the operator would have to grant it.
package inspect

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/units"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
)

// Print writes what is in the module, for people. Text of the module's is quoted where it could be anything.
func Print(w io.Writer, in host.Inspection) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(t, "%s\t%s\n", name, value) }
	row("file", fmt.Sprintf("%s, %s", in.File, size(uint64(in.Size))))
	row("sha256", in.SHA256)
	row("abi", orDash(in.ABI))
	m := in.Manifest
	if in.HasManifest {
		row("manifest", strings.TrimSpace(fmt.Sprintf("%s %s", printable(m.Name), printable(m.Version))))
		row("description", orDash(printable(m.Description)))
	} else {
		row("manifest", "none: sgstreamd plugin build puts manifest.json into the module")
	}
	row("kind", kind(m.Kind))
	row("codec", orDash(m.Codec))
	row("memory", memory(in))
	functions(row, "imports", imports(in))
	functions(row, "exports", in.Exports)
	if in.Refused != "" {
		row("refused", in.Refused)
	}
	if err := t.Flush(); err != nil || in.Refused != "" {
		return err
	}
	_, err := fmt.Fprintf(w, "\nwhat it would need granted:\n%s", Grant(in))
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func kind(k string) string {
	if k == "" {
		return abi.KindProcessor + " or " + abi.KindAdapter
	}
	return k
}

func functions(row func(name, value string), title string, all []host.Function) {
	if len(all) == 0 {
		row(title, "-")
	}
	for _, f := range all {
		row(title, f.Name+" "+f.Type)
		title = ""
	}
}

// imports are the functions that the module imports. Of WASI, which its language's library brings along, only the names.
func imports(in host.Inspection) []host.Function {
	var own []host.Function
	var wasi []string
	for _, f := range in.Imports {
		if name, ok := strings.CutPrefix(f.Name, abi.WASIModule+"."); ok {
			wasi = append(wasi, name)
			continue
		}
		own = append(own, f)
	}
	if len(wasi) > 0 {
		own = append(own, host.Function{Name: abi.WASIModule + ":", Type: strings.Join(slices.Compact(wasi), " ")})
	}
	return own
}

func memory(in host.Inspection) string {
	most := "declares no maximum"
	if in.MemoryMax < 4<<30 {
		most = "declares " + size(in.MemoryMax) + " as its maximum"
	}
	return "begins with " + size(in.MemoryMin) + ", " + most
}

func size(n uint64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return strconv.FormatUint(n>>30, 10) + " GiB"
	case n >= 10<<20:
		return strconv.FormatUint(n>>20, 10) + " MiB"
	}
	return strconv.FormatUint((n+1023)>>10, 10) + " KiB"
}

// printable is a text of the manifest's, fit for one line.
func printable(s string) string {
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// Grant is the TOML that grants the module what its manifest asks for, beyond what every plugin is granted: indented by
// two, a line each, or one line that says that there is nothing.
func Grant(in host.Inspection) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "  "+format+"\n", args...) }
	limits(line, in)
	hosts(line, in)
	secrets(line, in)
	configuration(line, in)
	if b.Len() == 0 {
		line("nothing beyond the defaults")
	}
	return b.String()
}

func limits(line func(string, ...any), in host.Inspection) {
	m, defaults, head := in.Manifest, host.DefaultPlugin(), false
	put := func(key, value, why string) {
		if !head {
			line("[plugins.%s]", in.Name)
			head = true
		}
		line("%s = %s  # %s", key, value, why)
	}
	least, err := units.ParseBase2Bytes(m.Limits.Memory)
	switch {
	case err == nil && least > defaults.MemoryLimit:
		put("memory_limit", strconv.Quote(m.Limits.Memory), "at least")
	case in.MemoryMin > uint64(defaults.MemoryLimit):
		put("memory_limit", fmt.Sprintf(`"%dKiB"`, in.MemoryMin>>10), "at least; its memory begins with as much")
	}
	if d, err := time.ParseDuration(m.Limits.Timeout); err == nil && d > defaults.Timeout {
		put("timeout", strconv.Quote(m.Limits.Timeout), "at least")
	}
	if m.State != nil && *m.State {
		put("state", "true", "it keeps state; true is the default")
	}
}

// requests tells whether the module can make HTTP requests.
func requests(in host.Inspection) bool { return in.ImportsAny(abi.ImportHTTPOpen) }

func hosts(line func(string, ...any), in host.Inspection) {
	switch {
	case in.Manifest.Hosts == nil && requests(in):
		line("[plugins.%s.http]", in.Name)
		line("origins = []  # where it may make requests to; its manifest does not say")
	case len(in.Manifest.Hosts) > 0:
		line("[plugins.%s.http]", in.Name)
		line("origins = %s", origins(in))
		for _, h := range in.Manifest.Hosts {
			if key, ok := strings.CutPrefix(h, abi.ConfigHost); ok {
				line("# the origin of the URL in plugins.%s.config.%s is one of them", in.Name, printable(key))
			}
		}
	}
}

// origins are the hosts of the manifest as a list in TOML. One that the configuration decides is an example.
func origins(in host.Inspection) string {
	var all []string
	for _, h := range in.Manifest.Hosts {
		if key, ok := strings.CutPrefix(h, abi.ConfigHost); ok {
			h = "https://of-" + url.PathEscape(strings.ReplaceAll(key, "_", "-")) + ".example.org"
			one := host.Inspection{Name: in.Name, Manifest: abi.Manifest{Hosts: []string{abi.ConfigHost + key}, Config: in.Manifest.Config}}
			if asked, err := one.AskedHosts(map[string]any{}); err == nil {
				h = asked[0]
			}
		}
		if q := strconv.Quote(h); !slices.Contains(all, q) {
			all = append(all, q)
		}
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func secrets(line func(string, ...any), in host.Inspection) {
	for _, text := range in.Manifest.Secrets {
		id, optional := strings.CutSuffix(text, abi.OptionalMark)
		note := ""
		if optional {
			note = "  # it can do without"
		}
		line("[plugins.%s.secrets.%s]%s", in.Name, printable(id), note)
		line("env = %q  # or file", strings.ToUpper(strings.ReplaceAll(id, "-", "_")))
		line("origins = %s", origins(in))
	}
}

// configuration names the keys that the schema requires.
func configuration(line func(string, ...any), in host.Inspection) {
	keys := required(in.Manifest.Config)
	if len(keys) == 0 {
		return
	}
	line("[plugins.%s.config]", in.Name)
	for _, k := range keys {
		line("%s = …  # its schema requires it", printable(k))
	}
}

// required are the keys that a schema wants in every configuration.
func required(schema []byte) []string {
	var s struct {
		Required []string `json:"required"`
	}
	if len(schema) > 0 && json.Unmarshal(schema, &s) != nil {
		return nil // the host says what is wrong with it
	}
	return s.Required
}
