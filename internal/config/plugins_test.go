package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/host"
)

// What stands in a plugin's config is the plugin's own: keys with dots, any depth, integers to the full 64 bits.
func TestPluginConfigSurvives(t *testing.T) {
	t.Parallel()
	c := load(t, Source{File: write(t, `
		[plugins.echo.config]
		"api.example.org" = "key with dots"
		"api.example" = { org = "a table beside it" }
		"" = "empty key"
		"\u0000" = "odd key"
		timeout = "not ours"
		largest = 9223372036854775807
		fraction = 0.1
		mixed = [1, "two", [3.0], { four = true }]
		empty = {}
		none = []
		at = 2024-02-29T12:00:00Z
		local = 2024-02-29T12:00:00.5
		date = 2024-02-29
		time = 12:00:00
		[[plugins.echo.config.rules]]
		"a.b" = 1
		[[plugins.echo.config.rules]]
		Dir = 2`)})
	got := c.Plugins.For("echo").Config
	for _, key := range []string{"local", "date", "time"} {
		require.Contains(t, got, key)
		delete(got, key) // TOML's own types
	}
	require.Empty(t, cmp.Diff(map[string]any{
		"api.example.org": "key with dots",
		"api.example":     map[string]any{"org": "a table beside it"},
		"":                "empty key",
		"\x00":            "odd key",
		"timeout":         "not ours",
		"largest":         int64(9223372036854775807),
		"fraction":        0.1,
		"mixed":           []any{int64(1), "two", []any{3.0}, map[string]any{"four": true}},
		"empty":           map[string]any{},
		"none":            []any{},
		"at":              time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC),
		"rules":           []any{map[string]any{"a.b": int64(1)}, map[string]any{"Dir": int64(2)}},
	}, got))
}

// Names that are nearly those of Plugins' own fields.
func TestPluginNames(t *testing.T) {
	t.Parallel()
	names := []string{"DIR", "Cache_Dir", "ByName", "byname", "by_name", "-", "_", "0", "echo", strings.Repeat("n", 64)}
	var doc strings.Builder
	for _, name := range names {
		doc.WriteString("[plugins." + name + "]\ntimeout = '7s'\n")
	}
	c := load(t, Source{File: write(t, doc.String())})
	require.Len(t, c.Plugins.ByName, len(names))
	want := host.DefaultPlugin()
	want.Timeout = 7 * time.Second
	for _, name := range names {
		require.Equal(t, want, c.Plugins.ByName[name])
	}
	require.Equal(t, "plugins", c.Plugins.Dir)
	require.Equal(t, host.DefaultPlugin(), c.Plugins.For("no table of its own"))

	_, err := Load(Source{File: write(t, "[plugins."+strings.Repeat("n", 65)+"]")})
	require.ErrorContains(t, err, "can't be a plugin")
}
