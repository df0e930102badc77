package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestTOMLReadsBack(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"default": "",
		"everything changed": `
			outbound.platforms = ["discord", "a\"b\n"]
			outbound.adapters = { "a\"b\n" = "x.y" }
			inbound.enabled = false
			inbound.lock.ttl = "1h0m30.5s"
			inbound.max_payload = "1025KiB"
			[plugins.my-plugin]
			timeout = "90m"
			emit_streams = ["s"]
			[plugins.my-plugin.http]
			origins = ["https://a.example"]
			max_response = "1GiB"
			[plugins.my-plugin.secrets.key]
			file = "/run/secrets/key"
			origins = ["https://a.example"]
			[plugins.my-plugin.config]
			"a.b" = { "c d" = [1, [2.5], { e = false }] }
			at = 2024-02-29T12:00:00Z
			[[plugins.my-plugin.config.rules]]
			n = 9223372036854775807
			[plugins.bare]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := load(t, Source{File: write(t, doc)})
			printed, err := c.TOML()
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c, load(t, Source{File: write(t, string(printed))})), "%s", printed)
		})
	}
}

func TestTOMLIsForPeople(t *testing.T) {
	t.Parallel()
	c := Default()
	printed, err := c.TOML()
	require.NoError(t, err)
	require.Regexp(t, `[^\n]\n$`, string(printed), "one line break at the end")
	for _, line := range []string{"max_payload = '8MiB'", "audit_ttl = '24h'", "min_idle = '1m'", "timeout = '30s'"} {
		require.Contains(t, string(printed), line+"\n")
	}
}

func TestTOMLHidesThePassword(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"embedded":                    "embedded",
		"redis://h:6379/1":            "redis://h:6379/1",
		"rediss://user:s3cr3t@h:1/0":  "rediss://user:xxxxx@h:1/0",
		"redis://:s3cr3t@h":           "redis://:xxxxx@h",
		"unix://u:s3cr3t@/path?db=1":  "unix://u:xxxxx@/path?db=1",
		"redis://:s3cr3t%zz@unparsed": "xxxxx",
		"redis+sentinel://u:s3cr3t@a,b/m?sentinel_password=s3cr3t": "redis+sentinel://u:xxxxx@a,b/m?sentinel_password=xxxxx",
		"rediss+cluster://:s3cr3t@a:1,b:2":                         "rediss+cluster://:xxxxx@a:1,b:2",
	} {
		c := Default()
		c.Redis.URL = url
		printed, err := c.TOML()
		require.NoError(t, err)
		require.Contains(t, string(printed), "url = '"+want+"'\n")
		require.NotContains(t, string(printed), "s3cr3t")
		require.Equal(t, url, c.Redis.URL, "the configuration itself stays as it is")
	}
}
