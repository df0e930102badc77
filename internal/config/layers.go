package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/knadh/koanf/parsers/toml/v2"
	gotoml "github.com/pelletier/go-toml/v2"
)

// envPrefix begins the name of each environment variable of the daemon's own.
const envPrefix = "SGSTREAMD_"

// source is a place where settings come one by one, as text.
type source struct {
	// place names the setting in an error.
	place string
	// write spells a key as it is written there.
	write func(path []string) string
}

// fleetVariables are the variables that the services around the daemon are configured with, and the keys that
// they set. Those that concern other services are none of the daemon's business.
func fleetVariables() map[string]string {
	return map[string]string{
		"SG_INBOUND_STREAM":         "inbound.stream",
		"SG_WORKER_GROUP":           "inbound.group",
		"SG_OUTBOUND_STREAM_PREFIX": "outbound.stream_prefix",
		"SG_GATEWAY_GROUP_PREFIX":   "outbound.group",
	}
}

// fleet reads the fleet's variables.
func (l *loader) fleet(environ []string) {
	keys := fleetVariables()
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		value, ok := lookup(environ, name)
		if !ok {
			continue
		}
		if name == "SG_GATEWAY_GROUP_PREFIX" && value != "" {
			value = strings.TrimSuffix(value, ":") + ":{platform}"
		}
		l.set(source{"environment " + name, dotted}, strings.Split(keys[name], "."), value)
	}
}

// environment reads the daemon's own variables.
func (l *loader) environment(environ []string) {
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(entry, "=")
		rest, ok := strings.CutPrefix(name, envPrefix)
		if !ok {
			continue
		}
		path := strings.Split(strings.ToLower(rest), "__")
		if canonical := variable(path); name != canonical {
			l.fail("environment "+name, "unknown variable; write it in upper case: %s", canonical)
			continue
		}
		l.set(source{"environment " + name, variable}, path, value)
	}
}

// flags reads the settings of the command line.
func (l *loader) flags(flags map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(flags)) {
		place := "flag --set " + key
		if !strings.HasPrefix(key, "redis") { // there may be a password in the value, in a form that shorten does not know
			place += "=" + shorten(flags[key])
		}
		l.set(source{place, dotted}, strings.Split(key, "."), flags[key])
	}
}

// set checks one setting that came as text, and merges it.
func (l *loader) set(from source, path []string, value string) {
	n, depth := l.schema.find(path)
	switch {
	case depth < len(path) && n.kind == anything:
		l.fail(from.place, "is too deep; write a plugin's nested settings in the file")
	case depth < len(path) && n.kind != table:
		l.fail(from.place, "unknown key; %s holds %s and has no keys", from.write(path[:depth]), n.want(""))
	case depth < len(path):
		l.fail(from.place, "unknown key; %s", l.remedy(path, from.write))
	case l.badName(path) != "":
		l.fail(from.place, "%s", l.badName(path))
	case n.kind == table:
		l.fail(from.place, "names a table; %s", l.remedy(path, from.write))
	case !utf8.ValidString(path[len(path)-1]):
		l.fail(from.place, "the key is not UTF-8")
	case !utf8.ValidString(value): // not shown: what hides passwords knows text only
		l.fail(from.place, "is not UTF-8, must be %s", n.want(""))
	default:
		v, ok := n.fromText(value)
		if !ok {
			l.fail(from.place, "is %s, must be %s", quoted(value), n.want(""))
			return
		}
		l.origins[strings.Join(path, ".")] = from.place
		l.nameTables(path[:len(path)-1], from.place)
		l.merge(nest(path, v))
	}
}

// file reads the TOML file.
func (l *loader) file(path string) {
	if path == "" {
		return
	}
	doc, err := os.ReadFile(path)
	if err != nil {
		l.errs = append(l.errs, unreadable(path, err))
		return
	}
	values, err := toml.Parser().Unmarshal(doc)
	if err != nil {
		line, column := position(doc, err)
		l.fail(fmt.Sprintf("%s:%d:%d", path, line, column), "is not TOML: %s", strings.TrimPrefix(err.Error(), "toml: "))
		return
	}
	l.merge(l.table(path, l.schema, nil, values))
}

// table returns those values of the file's table that the schema accepts, converted to their types.
func (l *loader) table(file string, n *node, at []string, values map[string]any) map[string]any {
	accepted := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		path := append(slices.Clone(at), key)
		if v, ok := l.value(file, n.child(key), path, values[key]); ok {
			accepted[key] = v
		}
	}
	return accepted
}

// value checks one key of the file.
func (l *loader) value(file string, n *node, path []string, v any) (any, bool) {
	place := file + ": " + dotted(path)
	below, isTable := v.(map[string]any)
	switch {
	case n == nil:
		l.fail(place, "unknown key; %s", l.remedy(path, dotted))
	case n.kind == table && !isTable:
		remedy := fmt.Sprintf("write [%s]", dotted(path))
		if near := l.nearest(path, dotted); near != "" {
			remedy = fmt.Sprintf("did you mean %s?", near)
		}
		l.fail(place, "is %s, must be a table; %s", describe(v, true), remedy)
	case l.badName(path) != "":
		l.fail(place, "%s", l.badName(path))
	case n.kind == table:
		l.nameTables(path, file)
		return l.table(file, n, path, below), true
	default:
		converted, ok := n.fromTOML(v)
		if !ok {
			l.fail(place, "is %s, must be %s", describe(v, false), n.want(`"`))
			return nil, false
		}
		l.origins[strings.Join(path, ".")] = file
		return converted, true
	}
	return nil, false
}

// nameTables remembers which source has named the tables of a path.
func (l *loader) nameTables(path []string, place string) {
	for i := range path {
		if parent, _ := l.schema.find(path[:i]); parent.fields[path[i]] == nil && parent.names != nil {
			l.tables[strings.Join(path[:i+1], ".")] = place
		}
	}
}

// position returns the line and column of a mistake in the TOML's form, counted from 1. The parser does
// not give those of a key or table that is defined twice; the first line up to which the document has
// the same mistake is where it stands.
func position(doc []byte, mistake error) (line, column int) {
	var decoding *gotoml.DecodeError
	if errors.As(mistake, &decoding) {
		return decoding.Position()
	}
	end := 0
	for part := range strings.Lines(string(doc)) {
		line, end = line+1, end+len(part)
		var ignored map[string]any
		if err := gotoml.Unmarshal(doc[:end], &ignored); err != nil && err.Error() == mistake.Error() {
			return line, 1 + len(part) - len(strings.TrimLeft(part, " \t"))
		}
	}
	return cmp.Or(line, 1), 1
}

func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no such file; correct its path, or leave it out to run on the defaults: %w", path, fs.ErrNotExist)
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%s: can't be read; name a TOML file that the daemon may read: %w", path, err)
}

// lookup returns the value of an environment variable.
func lookup(environ []string, name string) (string, bool) {
	for _, entry := range environ {
		if n, value, ok := strings.Cut(entry, "="); ok && n == name {
			return value, true
		}
	}
	return "", false
}

// nest returns the tables around a value.
func nest(path []string, v any) map[string]any {
	for i := len(path) - 1; i > 0; i-- {
		v = map[string]any{path[i]: v}
	}
	return map[string]any{path[0]: v}
}
