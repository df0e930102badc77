package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/units"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/host"
)

// tag is the struct tag that names a field's key.
const tag = "koanf"

// kind is what a key holds.
type kind int

const (
	text kind = iota
	boolean
	whole
	duration
	size
	list
	table
	anything // a plugin's own setting, whose shape only the plugin knows
)

// node is what the schema knows of one key.
type node struct {
	kind kind
	// def is the default of a key that is no table.
	def any
	// word is a text that a list may be in the place of a list with that text alone; empty for none.
	word string
	// fields are the keys that a table has.
	fields map[string]*node
	// named is what any other key of a table is; nil if there can be no other.
	named *node
	// names is what such a key must look like; nil if it may be any text. badName is what is said of one that does not.
	names   *regexp.Regexp
	badName string
}

// newSchema derives the schema from the defaults: the struct tags give the keys, the fields' types what
// they hold.
func newSchema() *node {
	root := schemaOf(reflect.ValueOf(Default()))
	root.fields["outbound"].fields["platforms"].word = consumer.PlatformsAuto
	plugins := root.fields["plugins"]
	plugins.named = schemaOf(reflect.ValueOf(host.DefaultPlugin()))
	plugins.names, plugins.badName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`), badPlugin
	secrets := plugins.named.fields["secrets"]
	secrets.names, secrets.badName = plugins.names, badSecret
	return root
}

func schemaOf(v reflect.Value) *node {
	switch v.Interface().(type) {
	case time.Duration:
		return &node{kind: duration, def: v.Interface()}
	case units.Base2Bytes:
		return &node{kind: size, def: v.Interface()}
	case []string:
		return &node{kind: list, def: v.Interface()}
	case map[string]string:
		return &node{kind: table, named: &node{kind: text, def: ""}}
	case map[string]any:
		return &node{kind: table, named: &node{kind: anything}}
	case map[string]host.SecretConfig:
		return &node{kind: table, named: schemaOf(reflect.ValueOf(host.DefaultSecret()))}
	}
	switch v.Kind() {
	case reflect.String:
		return &node{kind: text, def: v.Interface()}
	case reflect.Bool:
		return &node{kind: boolean, def: v.Interface()}
	case reflect.Int, reflect.Int64:
		return &node{kind: whole, def: v.Interface()}
	case reflect.Struct:
		fields := map[string]*node{}
		for key, field := range keysOf(v) {
			fields[key] = schemaOf(field)
		}
		return &node{kind: table, fields: fields}
	}
	panic("config: the schema has no kind for a " + v.Type().String())
}

// keysOf yields the keys and values of a struct's tagged fields.
func keysOf(v reflect.Value) func(yield func(string, reflect.Value) bool) {
	return func(yield func(string, reflect.Value) bool) {
		for i := range v.NumField() {
			key := v.Type().Field(i).Tag.Get(tag)
			if key != "" && !yield(key, v.Field(i)) {
				return
			}
		}
	}
}

// child returns what the key of a table is; nil if the table can't have it.
func (n *node) child(key string) *node {
	if c, ok := n.fields[key]; ok {
		return c
	}
	return n.named
}

// find returns what the key at the end of the path is, and how much of the path there is in the schema.
func (n *node) find(path []string) (found *node, depth int) {
	for depth < len(path) {
		c := n.child(path[depth])
		if c == nil {
			break
		}
		n, depth = c, depth+1
	}
	return n, depth
}

// paths returns the path of every key below n, those of tables among them, and none with a name that
// the operator chooses.
func (n *node) paths() [][]string {
	var all [][]string
	for _, key := range slices.Sorted(maps.Keys(n.fields)) {
		all = append(all, []string{key})
		for _, below := range n.fields[key].paths() {
			all = append(all, append([]string{key}, below...))
		}
	}
	return all
}

// want says what the key must hold, with an example between the given quotes.
func (n *node) want(quote string) string {
	switch n.kind {
	case boolean:
		return "true or false"
	case whole:
		return fmt.Sprintf("a whole number such as %d", n.def)
	case duration:
		return "a duration such as " + quote + durationText(n.def.(time.Duration)) + quote
	case size:
		return "a size such as " + quote + n.def.(units.Base2Bytes).String() + quote
	case list:
		if n.word != "" {
			return fmt.Sprintf(`a list of text such as ["one", "two"], or %q`, n.word)
		}
		return `a list of text such as ["one", "two"]`
	case table:
		return "a table"
	}
	if n.def == "" {
		return "text"
	}
	return "text such as " + quote + n.def.(string) + quote
}

// fromText reads what the environment and flags say.
func (n *node) fromText(s string) (value any, ok bool) {
	var err error
	switch n.kind {
	case boolean:
		value, ok = map[string]bool{"true": true, "false": false}[s]
		return value, ok
	case whole:
		value, err = strconv.ParseInt(s, 10, 64)
	case duration:
		value, err = time.ParseDuration(s)
	case size:
		value, err = parseSize(s)
	case list:
		value = splitList(s)
	default:
		value = s
	}
	return value, err == nil
}

// fromTOML takes what the TOML file says. Durations and sizes are text there; nothing else is converted.
func (n *node) fromTOML(v any) (value any, ok bool) {
	switch n.kind {
	case boolean:
		_, ok = v.(bool)
		return v, ok
	case whole:
		_, ok = v.(int64)
		return v, ok
	case list:
		if n.word != "" && v == n.word {
			return []string{n.word}, true
		}
		return textList(v)
	case anything:
		return v, true
	}
	s, ok := v.(string)
	if !ok {
		return nil, false
	}
	return n.fromText(s)
}

// parseSize accepts the unambiguous units only: what "64MB" is depends on whom one asks.
func parseSize(s string) (units.Base2Bytes, error) {
	n, err := units.ParseUnit(s, units.MakeUnitMap("iB", "B", 1024))
	return units.Base2Bytes(n), err
}

func splitList(s string) []string {
	if s == "" {
		return []string{}
	}
	items := strings.Split(s, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

func textList(v any) ([]string, bool) {
	items, ok := v.([]any)
	texts := make([]string, len(items))
	for i, item := range items {
		s, isText := item.(string)
		texts[i], ok = s, ok && isText
	}
	return texts, ok
}

// durationText is the shortest form that time.ParseDuration reads back: "24h", not "24h0m0s".
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
