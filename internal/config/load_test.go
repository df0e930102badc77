package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write puts a document into a file of its own and returns its path.
func write(t *testing.T, doc string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	require.NoError(t, os.WriteFile(path, []byte(doc), 0o600))
	return path
}

func load(t *testing.T, s Source) Config {
	t.Helper()
	c, err := Load(s)
	require.NoError(t, err)
	return c
}

// mistakes returns the lines of Load's error. There must be one.
func mistakes(t *testing.T, s Source) []string {
	t.Helper()
	c, err := Load(s)
	require.Error(t, err)
	require.Zero(t, c, "a bad configuration must not be handed out")
	return strings.Split(err.Error(), "\n")
}

func TestLoadOfNothingIsDefault(t *testing.T) {
	t.Parallel()
	require.Empty(t, cmp.Diff(Default(), load(t, Source{})))
	require.Empty(t, cmp.Diff(Default(), load(t, Source{File: write(t, "")})))
}

// Each file in testdata holds one mistake, and in its first line what must be said of it.
func TestLoadRefusesFile(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.bad.toml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".bad.toml"), func(t *testing.T) {
			t.Parallel()
			doc, err := os.ReadFile(file)
			require.NoError(t, err)
			first, _, _ := strings.Cut(string(doc), "\n")
			want, ok := strings.CutPrefix(first, "# want")
			require.True(t, ok, "the first line must say what is wanted")
			require.Equal(t, []string{file + want}, mistakes(t, Source{File: file}))
		})
	}
}

func TestLoadRefusesUnreadableFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "none.toml")

	_, err := Load(Source{File: missing})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.EqualError(t, err, missing+": there is no such file; correct its path, or leave it out to run on the defaults: file does not exist")

	_, err = Load(Source{File: dir})
	require.EqualError(t, err, dir+": can't be read; name a TOML file that the daemon may read: is a directory")
}

func TestLoadNamesEveryMistake(t *testing.T) {
	t.Parallel()
	file := write(t, `
		[redis]
		uri = "embedded"
		[inbound]
		max_in_flight = "many"
		max_attempts = 0
		[inbound.lock]
		ttl = "1ms"
		[plugins.b]
		timeout = "0s"
		[plugins.a]
		timeout = "0s"`)
	require.Equal(t, []string{
		file + `: inbound.max_in_flight: is text ("many"), must be a whole number such as 64`,
		file + ": redis.uri: unknown key; did you mean redis.url?",
		`environment SGSTREAMD_LOG__LEVEL_: unknown key; did you mean SGSTREAMD_LOG__LEVEL?`,
		`flag --set drain.timeout=soon: is "soon", must be a duration such as 30s`,
		file + ": inbound.max_attempts is 0; write 1 to 1000",
		file + `: inbound.lock.ttl is 1ms, shorter than a lock can be renewed in; write at least "100ms"`,
		file + `: plugins.a.timeout is 0s; write "1ms" to "24h"`,
		file + `: plugins.b.timeout is 0s; write "1ms" to "24h"`,
	}, mistakes(t, Source{
		File:    file,
		Environ: []string{"SGSTREAMD_LOG__LEVEL_=info"},
		Flags:   map[string]string{"drain.timeout": "soon"},
	}))
}

// A value that can't be is blamed on the source that set it last, whatever the others said.
func TestLoadBlamesTheLastSource(t *testing.T) {
	t.Parallel()
	file := write(t, "[inbound]\nstream = ''")
	s := Source{File: file, Environ: []string{"SG_INBOUND_STREAM=x"}}
	require.Equal(t, []string{file + `: inbound.stream is empty; the fleet's is "sg:stream:inbound"`}, mistakes(t, s))

	s.Environ = append(s.Environ, "SGSTREAMD_INBOUND__STREAM=")
	require.Equal(t, []string{`environment SGSTREAMD_INBOUND__STREAM: inbound.stream is empty; the fleet's is "sg:stream:inbound"`}, mistakes(t, s))

	s.Flags = map[string]string{"inbound.stream": "good"}
	require.Equal(t, "good", load(t, s).Inbound.Stream)
}

func TestLoadBlamesTheRightOneOfSimilarKeys(t *testing.T) {
	t.Parallel()
	file := write(t, "[outbound.adapters]\n'a b' = 'x'")
	const remedy = ` names a platform that is not in platforms; add `
	require.ElementsMatch(t, []string{
		file + `: outbound.adapters.a b` + remedy + `"a b" there or remove it here`,
		`environment SGSTREAMD_OUTBOUND__ADAPTERS__A: outbound.adapters.a` + remedy + `"a" there or remove it here`,
	}, mistakes(t, Source{File: file, Environ: []string{"SGSTREAMD_OUTBOUND__ADAPTERS__A=y"}}))
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	var s Source
	stream := func() string { return load(t, s).Inbound.Stream }
	require.Equal(t, "sg:stream:inbound", stream(), "the default")
	s.Environ = []string{"SG_INBOUND_STREAM=of the fleet"}
	require.Equal(t, "of the fleet", stream())
	s.File = write(t, "[inbound]\nstream = 'of the file'")
	require.Equal(t, "of the file", stream())
	s.Environ = append(s.Environ, "SGSTREAMD_INBOUND__STREAM=of the environment")
	require.Equal(t, "of the environment", stream())
	s.Flags = map[string]string{"inbound.stream": "of a flag"}
	require.Equal(t, "of a flag", stream())
}

func TestLayersMergeKeyByKey(t *testing.T) {
	t.Parallel()
	c := load(t, Source{
		File: write(t, `
			outbound.platforms = ["discord", "telegram", "irc"]
			[outbound.adapters]
			discord = "file"
			telegram = "file"
			[plugins.echo]
			timeout = "1s"
			memory_limit = "1MiB"
			config.a = 1
			config.b = 1`),
		Environ: []string{
			"SGSTREAMD_OUTBOUND__PLATFORMS=discord, telegram",
			"SGSTREAMD_OUTBOUND__ADAPTERS__DISCORD=environment",
			"SGSTREAMD_PLUGINS__ECHO__TIMEOUT=2s",
			"SGSTREAMD_PLUGINS__ECHO__CONFIG__B=text",
		},
		Flags: map[string]string{"plugins.Other.emit_streams": "", "plugins.echo.max_instances": "3"},
	})
	want := Default()
	want.Outbound.Platforms = []string{"discord", "telegram"}
	want.Outbound.Adapters = map[string]string{"discord": "environment", "telegram": "file"}
	want.Plugins.ByName = map[string]host.PluginConfig{
		"Other": host.DefaultPlugin(),
		"echo": {
			Timeout: 2 * time.Second, MemoryLimit: units.MiB, MaxInstances: 3, RecycleCalls: 100_000, EmitStreams: []string{}, State: true,
			HTTP: host.DefaultHTTP(), Secrets: map[string]host.SecretConfig{}, Config: map[string]any{"a": int64(1), "b": "text"},
		},
	}
	require.Empty(t, cmp.Diff(want, c))
}

func TestFleetVariables(t *testing.T) {
	t.Parallel()
	c := load(t, Source{Environ: []string{
		"SG_INBOUND_STREAM=in", "SG_WORKER_GROUP=workers", "SG_OUTBOUND_STREAM_PREFIX=out",
		"SG_GATEWAY_GROUP_PREFIX=sg:gateway", "SG_DISCORD_TOKEN=of no concern", "PATH=/bin", "SGSTREAMDX=1", "odd",
	}})
	want := Default()
	want.Inbound.Stream, want.Inbound.Group = "in", "workers"
	want.Outbound.StreamPrefix, want.Outbound.Group = "out", "sg:gateway:{platform}"
	require.Empty(t, cmp.Diff(want, c))

	c = load(t, Source{Environ: []string{"SG_GATEWAY_GROUP_PREFIX=sg:gateway:"}})
	require.Equal(t, "sg:gateway:discord", c.Outbound.GroupOf("discord"))
}

// Every kind of value, as text.
func TestSettingsFromText(t *testing.T) {
	t.Parallel()
	c := load(t, Source{Flags: map[string]string{
		"inbound.enabled": "false", "inbound.max_in_flight": "7", "inbound.max_payload": "1MiB512KiB",
		"inbound.lock.ttl": "1m30s", "admin.listen": "", "outbound.platforms": "",
	}, Environ: []string{"SGSTREAMD_OUTBOUND__PLATFORMS=a,b"}})
	require.False(t, c.Inbound.Enabled)
	require.Equal(t, 7, c.Inbound.MaxInFlight)
	require.Equal(t, 1536*units.KiB, c.Inbound.MaxPayload)
	require.Equal(t, 90*time.Second, c.Inbound.Lock.TTL)
	require.Empty(t, c.Admin.Listen)
	require.Equal(t, []string{}, c.Outbound.Platforms, "an empty text is an empty list")
}

// A password must not come to light, wherever the operator put the URL and whatever is wrong with it.
func TestErrorsHoldNoPassword(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	for name, s := range map[string]Source{
		"impossible URL":          {File: write(t, `redis.url = "http://user:p@`+secret+`@h"`)},
		"URL that does not parse": {Environ: []string{"SGSTREAMD_REDIS__URL=redis://:" + secret + "@h:port\x7f"}},
		"no URL at all":           {Flags: map[string]string{"redis.url": "redis//:" + secret}},
		"unknown key":             {Flags: map[string]string{"redis.uri": ":" + secret + "@h"}},
		"URL in the wrong table":  {File: write(t, `admin.listen = "redis://:p@`+secret+`@h:1:2"`)},
		"URL for a number":        {File: write(t, `inbound.max_in_flight = "redis://:`+secret+`@h"`)},
		"long URL for a number":   {Environ: []string{"SGSTREAMD_INBOUND__MAX_IN_FLIGHT=redis://:" + secret + strings.Repeat("x", 99) + "@h"}},
		"URL in two lines":        {Flags: map[string]string{"inbound.max_in_flight": "redis://:p\n" + secret + "@h"}},
		"URL for a table":         {File: write(t, `redis = "`+secret+`"`)},
		"URL in a list":           {File: write(t, `redis.url = ["`+secret+`"]`)},
		"URL in a table":          {File: write(t, `redis.url.default = "`+secret+`"`)},
		"URL without quotes":      {File: write(t, `redis.url = redis://:`+secret+`@h`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, line := range mistakes(t, s) {
				require.NotContains(t, line, secret)
			}
		})
	}
}
