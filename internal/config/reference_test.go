package config

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/knadh/koanf/parsers/toml/v2"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/host"
)

const reference = "../../config.toml"

// example is a plugin's name in the reference.
const example = "my-plugin"

func read(t *testing.T, path string) string {
	t.Helper()
	doc, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(doc)
}

// keysIn returns the dotted keys of a TOML document, those of tables among them.
func keysIn(t *testing.T, doc string) []string {
	t.Helper()
	values, err := toml.Parser().Unmarshal([]byte(doc))
	require.NoError(t, err)
	var keys []string
	var walk func(prefix string, values map[string]any)
	walk = func(prefix string, values map[string]any) {
		for key, v := range values {
			keys = append(keys, prefix+key)
			if below, ok := v.(map[string]any); ok {
				walk(prefix+key+".", below)
			}
		}
	}
	walk("", values)
	slices.Sort(keys)
	return keys
}

// keysOfNode returns the dotted keys of the schema below a node.
func keysOfNode(n *node) []string {
	var keys []string
	for _, path := range n.paths() {
		keys = append(keys, strings.Join(path, "."))
	}
	slices.Sort(keys)
	return keys
}

func TestReferenceHoldsEveryKeyAndDefault(t *testing.T) {
	t.Parallel()
	require.Equal(t, keysOfNode(newSchema()), keysIn(t, read(t, reference)))
	require.Empty(t, cmp.Diff(Default(), load(t, Source{File: reference})))
}

// The table of a plugin can't stand in the reference as it is, since its name is the operator's.
func TestReferenceShowsEveryKeyOfAPlugin(t *testing.T) {
	t.Parallel()
	_, block, ok := strings.Cut(read(t, reference), "# [plugins."+example+"]\n")
	require.True(t, ok)
	block, _, ok = strings.Cut(block, "\n\n")
	require.True(t, ok)
	block = regexp.MustCompile(`(?m)^# ?`).ReplaceAllString("# [plugins."+example+"]\n"+block, "")

	var want []string
	for _, key := range keysOfNode(newSchema().fields["plugins"].named) {
		want = append(want, "plugins."+example+"."+key)
	}
	require.Equal(t, append([]string{"plugins", "plugins." + example}, want...), keysIn(t, block))
	got := load(t, Source{File: write(t, block)}).Plugins.ByName
	require.Empty(t, cmp.Diff(map[string]host.PluginConfig{example: host.DefaultPlugin()}, got))
}

// Nor can that of a secret.
func TestReferenceShowsEveryKeyOfASecret(t *testing.T) {
	t.Parallel()
	const table = "plugins." + example + ".secrets.api-key"
	_, block, ok := strings.Cut(read(t, reference), "# ["+table+"]\n")
	require.True(t, ok)
	block, _, _ = strings.Cut(block, "\n\n")
	block = regexp.MustCompile(`(?m)^# ?`).ReplaceAllString("# ["+table+"]\n"+block, "")
	want := []string{"plugins", "plugins." + example, "plugins." + example + ".secrets", table}
	for _, key := range keysOfNode(newSchema().fields["plugins"].named.fields["secrets"].named) {
		want = append(want, table+"."+key)
	}
	require.Equal(t, want, keysIn(t, block))
	block = strings.NewReplacer(`env = ""`, `env = "KEY"`, `origins = []`, `origins = ["https://a.example"]`).Replace(block)
	secret := host.DefaultSecret()
	secret.Env, secret.Origins = "KEY", []string{"https://a.example"}
	got := load(t, Source{File: write(t, block)}).Plugins.ByName[example].Secrets
	require.Empty(t, cmp.Diff(map[string]host.SecretConfig{"api-key": secret}, got))
}

func TestReferenceShowsAnAdapter(t *testing.T) {
	t.Parallel()
	const line = `discord = "my-discord"`
	doc := read(t, reference)
	require.Contains(t, doc, "[outbound.adapters]\n# "+line+"\n")
	doc = strings.Replace(doc, "# "+line, line, 1)
	doc = strings.Replace(doc, "platforms = []", `platforms = ["discord"]`, 1)
	c := load(t, Source{File: write(t, doc)})
	require.Equal(t, "my-discord", c.Outbound.AdapterOf("discord"))
}

func TestReferenceSaysWhatEachKeyIsFor(t *testing.T) {
	t.Parallel()
	lines := strings.Split(read(t, reference), "\n")
	key := regexp.MustCompile(`^(# )?[a-z_]+ = `)
	for i, line := range lines {
		if key.MatchString(line) && !strings.HasPrefix(line, "# discord") {
			require.True(t, strings.HasPrefix(lines[i-1], "# "), "no comment above %q", line)
		}
	}
}

// The document for operators has a row for each key, with the default.
func TestDocumentHoldsEveryKeyAndDefault(t *testing.T) {
	t.Parallel()
	doc := read(t, "../../docs/configuration.md")
	rows := maps.Collect(rowsOf(newSchema(), ""))
	plugin := newSchema().fields["plugins"].named
	maps.Insert(rows, rowsOf(plugin, "plugins.<name>."))
	maps.Insert(rows, rowsOf(plugin.fields["secrets"].named, "plugins.<name>.secrets.<id>."))
	for key, def := range rows {
		require.Contains(t, doc, "| `"+key+"` | "+def+" | ", "the row of %s", key)
	}
	for _, found := range regexp.MustCompile("(?m)^\\| `([a-z_.<>]+)` \\|").FindAllStringSubmatch(doc, -1) {
		require.Contains(t, rows, found[1], "a row for a key that does not exist")
	}
}

// rowsOf yields the key and the default, as the document shows it, of every value in a table.
func rowsOf(n *node, prefix string) func(yield func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for _, path := range n.paths() {
			found, _ := n.find(path)
			key := prefix + strings.Join(path, ".")
			switch {
			case found.kind == table && found.named != nil && len(found.fields) == 0:
				yield(key, "`{}`")
			case found.kind != table:
				yield(key, "`"+literal(found)+"`")
			}
		}
	}
}

// literal writes a default as TOML does, in double quotes.
func literal(n *node) string {
	if n.kind == list {
		return "[]"
	}
	want := n.want(`"`)
	if _, such, ok := strings.Cut(want, "such as "); ok {
		return such
	}
	if n.kind == text {
		return `""`
	}
	if n.def == true {
		return "true"
	}
	return "false"
}

// What operators copy from the document must be right.
func TestDocumentsExamplesLoad(t *testing.T) {
	t.Parallel()
	doc := read(t, "../../docs/configuration.md")
	examples := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(doc, -1)
	require.NotEmpty(t, examples)
	for _, e := range examples {
		require.NotEqual(t, Default(), load(t, Source{File: write(t, e[1])}))
	}
}
