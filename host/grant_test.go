package host

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// loadWith loads a module of testdata with the manifest, and what is granted.
func (b *bench) loadWith(t *testing.T, module, manifest string, change ...func(*PluginConfig)) (*Plugin, error) {
	t.Helper()
	binary, err := os.ReadFile("testdata/" + module + ".wasm")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "p.wasm")
	require.NoError(t, os.WriteFile(path, withManifest(binary, manifest), 0o600))
	cfg := testConfig()
	for _, f := range change {
		f(&cfg)
	}
	return b.Load(context.Background(), "p", path, cfg, 1)
}

func withOrigins(origins ...string) func(*PluginConfig) {
	return func(c *PluginConfig) { c.HTTP.Origins = origins }
}

func withConfig(config map[string]any) func(*PluginConfig) {
	return func(c *PluginConfig) { c.Config = config }
}

func TestAskingForMoreThanIsGrantedRefusesTheModule(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	schema := `"config":{"type":"object","properties":{"url":{"type":"string","default":"https://api.example.org/v1"},"n":{"type":"integer","minimum":1}},"required":["n"],"additionalProperties":false}`
	for name, test := range map[string]struct {
		module, manifest string
		change           func(*PluginConfig)
		want             string
	}{
		"a host": {"http", `{"hosts":["https://api.example.org"]}`, withOrigins("https://example.org"),
			"its manifest asks for the host https://api.example.org, which plugins.p.http.origins does not have; add it there if the plugin may reach it"},
		"more names below a host": {"http", `{"hosts":["https://*.example.org"]}`, withOrigins("https://api.example.org"),
			"its manifest asks for the host https://*.example.org, which plugins.p.http.origins does not have; add it there if the plugin may reach it"},
		"a host that is none": {"http", `{"hosts":["api.example.org"]}`, withOrigins(),
			`its manifest's hosts: the list holds "api.example.org"; write a scheme and a host, such as "https://api.example.org" or "https://*.example.org"`},
		"the host of a key that is not there": {"configured", `{"hosts":["config:url"]}`, withOrigins(),
			"its manifest's hosts: config:url names a key that the configuration does not have, or whose value is no text"},
		"the host of a key that is no URL": {"configured", `{"hosts":["config:url"]}`, withConfig(map[string]any{"url": "example.org"}),
			`its manifest's hosts: url is "example.org" in plugins.p.config; write a URL such as "https://api.example.org/v1"`},
		"the host of the schema's default": {"configured", `{"hosts":["config:url"],` + schema + `}`, withConfig(map[string]any{"n": 1}),
			"its manifest asks for the host https://api.example.org, which plugins.p.http.origins does not have; add it there if the plugin may reach it"},
		"a secret": {"http", `{"secrets":["token"]}`, withOrigins(),
			`its manifest asks for the secret "token"; write a table [plugins.p.secrets.token] that says where it is`},
		"memory": {"count", `{"limits":{"memory":"1GiB"}}`, func(c *PluginConfig) { c.MemoryLimit = 64 * units.MiB },
			"its manifest asks for memory of 1GiB, and plugins.p.memory_limit is 64MiB; raise it"},
		"time": {"count", `{"limits":{"timeout":"5m"}}`, withTimeout(time.Minute),
			"its manifest asks for a timeout of 5m, and plugins.p.timeout is 1m0s; raise it"},
		"state": {"state", `{"state":true}`, func(c *PluginConfig) { c.State = false },
			"its manifest asks to keep state, and plugins.p.state is false; set it to true"},
		"a key of the wrong type": {"configured", `{` + schema + `}`, withConfig(map[string]any{"n": "one"}), "plugins.p.config.n: got string, want integer"},
		"a key out of bounds":     {"configured", `{` + schema + `}`, withConfig(map[string]any{"n": 0}), "plugins.p.config.n: minimum: got 0, want 1"},
		"a key that is missing":   {"configured", `{` + schema + `}`, withConfig(nil), "plugins.p.config: missing property 'n'"},
		"a key that is unknown":   {"configured", `{` + schema + `}`, withConfig(map[string]any{"n": 1, "m": 1}), "plugins.p.config: additional properties 'm' not allowed"},
		"no schema":               {"configured", `{"config":{"type":1}}`, withConfig(nil), "its manifest's config is no JSON Schema that the host knows: "},
		"a schema elsewhere": {"configured", `{"config":{"$ref":"file:///etc/passwd"}}`, withConfig(nil),
			"its manifest's config is no JSON Schema that the host knows: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := b.loadWith(t, test.module, test.manifest, test.change)
			require.ErrorContains(t, err, `plugin "p": `+test.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestAModuleReachesTheHostsOfItsManifestOnly(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	b := newBench(t, "")
	p, err := b.loadWith(t, "http", `{"hosts":["https://*.example.org"],"secrets":["key?"]}`, withServer(s),
		func(c *PluginConfig) { c.HTTP.Origins = append(c.HTTP.Origins, "https://*.example.org") },
		withSecret(t, "other", plain, s.URL))
	require.NoError(t, err)
	require.Equal(t, Grant{Hosts: []string{"https://*.example.org"}, Secrets: []string{"key"}}, p.Granted())
	a := newProgram().open(object{"url": s.URL}).open(object{"url": "https://a.example.org", "secrets": []string{"other"}}).ask(t, p)
	a.errno(abi.ErrnoDenied) // a host that the operator allows, and the manifest does not ask for
	a.errno(abi.ErrnoDenied) // a secret that the operator grants, and the manifest does not ask for
}

func TestAModuleThatSaysItKeepsNoStateGetsNone(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	for _, manifest := range []string{`{"state":false}`, `{}`, `{"state":true}`} {
		p, err := b.loadWith(t, "state", manifest)
		require.NoError(t, err)
		require.Equal(t, manifest != `{"state":false}`, p.Granted().State)
	}
	p, err := b.loadWith(t, "count", `{}`)
	require.NoError(t, err)
	require.Equal(t, Grant{Hosts: []string{}, Secrets: []string{}}, p.Granted(), "it imports none of the functions")
}

func TestWhatAVersionAsksForBeyondAnother(t *testing.T) {
	t.Parallel()
	some := Grant{Hosts: []string{"https://a.example"}, Secrets: []string{"a"}, Memory: 1 << 20, Timeout: 1000}
	none := Grant{Hosts: []string{}, Secrets: []string{}}
	all := Grant{State: true}
	require.Empty(t, some.Beyond(some))
	require.Empty(t, none.Beyond(some))
	require.Empty(t, Grant{Hosts: []string{"https://a.example"}}.Beyond(all))
	require.Equal(t, []string{"the host https://a.example", "the secret a", "memory of 1MiB", "a timeout of 1s"}, some.Beyond(none))
	require.Equal(t, []string{"any host that the configuration allows", "any secret that the configuration has for it", "to keep state"}, all.Beyond(some))
}
