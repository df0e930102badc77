package config

import (
	"errors"
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

func TestLoadRefusesSetting(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env, key, value, want string
	}{
		"unknown variable": {env: "SGSTREAMD_INBOUND__MAX_INFLIGHT=1",
			want: "environment SGSTREAMD_INBOUND__MAX_INFLIGHT: unknown key; did you mean SGSTREAMD_INBOUND__MAX_IN_FLIGHT?"},
		"one underscore between levels": {env: "SGSTREAMD_REDIS_URL=redis://h",
			want: "environment SGSTREAMD_REDIS_URL: unknown key; did you mean SGSTREAMD_REDIS__URL?"},
		"variable unlike any": {env: "SGSTREAMD_SERVICE_HOST=10.0.0.1",
			want: "environment SGSTREAMD_SERVICE_HOST: unknown key; the tables are admin, dead_letters, drain, inbound, log, outbound, plugins, redis"},
		"variable in lower case": {env: "SGSTREAMD_redis__url=redis://h",
			want: "environment SGSTREAMD_redis__url: unknown variable; write it in upper case: SGSTREAMD_REDIS__URL"},
		"prefix alone": {env: "SGSTREAMD_=x",
			want: "environment SGSTREAMD_: unknown key; the tables are admin, dead_letters, drain, inbound, log, outbound, plugins, redis"},
		"variable with text for a whole number": {env: "SGSTREAMD_INBOUND__MAX_IN_FLIGHT=many",
			want: `environment SGSTREAMD_INBOUND__MAX_IN_FLIGHT: is "many", must be a whole number such as 64`},
		"variable with yes for a truth value": {env: "SGSTREAMD_INBOUND__ENABLED=yes",
			want: `environment SGSTREAMD_INBOUND__ENABLED: is "yes", must be true or false`},
		"variable with a duration without unit": {env: "SGSTREAMD_DRAIN__TIMEOUT=30",
			want: `environment SGSTREAMD_DRAIN__TIMEOUT: is "30", must be a duration such as 30s`},
		"variable for a table": {env: "SGSTREAMD_INBOUND__LOCK=false",
			want: "environment SGSTREAMD_INBOUND__LOCK: names a table; the keys of SGSTREAMD_INBOUND__LOCK are enabled, prefix, ttl"},
		"variable for a map": {env: "SGSTREAMD_OUTBOUND__ADAPTERS=discord",
			want: "environment SGSTREAMD_OUTBOUND__ADAPTERS: names a table; set one key of it, such as SGSTREAMD_OUTBOUND__ADAPTERS__NAME"},
		"variable below a value": {env: "SGSTREAMD_INBOUND__STREAM__NAME=s",
			want: "environment SGSTREAMD_INBOUND__STREAM__NAME: unknown key; SGSTREAMD_INBOUND__STREAM holds text such as sg:stream:inbound and has no keys"},
		"variable below a plugin's setting": {env: "SGSTREAMD_PLUGINS__ECHO__CONFIG__A__B=1",
			want: "environment SGSTREAMD_PLUGINS__ECHO__CONFIG__A__B: is too deep; write a plugin's nested settings in the file"},
		"variable of no plugin": {env: "SGSTREAMD_PLUGINS__DIRR=x",
			want: "environment SGSTREAMD_PLUGINS__DIRR: names a table; did you mean SGSTREAMD_PLUGINS__DIR?"},
		"variable with a value that can't be": {env: "SGSTREAMD_INBOUND__MAX_IN_FLIGHT=0",
			want: "environment SGSTREAMD_INBOUND__MAX_IN_FLIGHT: inbound.max_in_flight is 0; write 1 to 100000"},
		"fleet's variable that is empty": {env: "SG_INBOUND_STREAM=",
			want: `environment SG_INBOUND_STREAM: inbound.stream is empty; the fleet's is "sg:stream:inbound"`},
		"fleet's prefix that is empty": {env: "SG_GATEWAY_GROUP_PREFIX=",
			want: `environment SG_GATEWAY_GROUP_PREFIX: outbound.group is empty; the fleet's is "stargazer_gateways"`},
		"unknown flag": {key: "inbound.max_inflight", value: "1",
			want: "flag --set inbound.max_inflight=1: unknown key; did you mean inbound.max_in_flight?"},
		"flag with text for a whole number": {key: "inbound.max_in_flight", value: "x",
			want: `flag --set inbound.max_in_flight=x: is "x", must be a whole number such as 64`},
		"flag with a value that can't be": {key: "plugins.echo.timeout", value: "0s",
			want: `flag --set plugins.echo.timeout=0s: plugins.echo.timeout is 0s; write "1ms" to "24h"`},
		"flag with a plugin's name that can't be": {key: "plugins.my plugin.timeout", value: "1s",
			want: `flag --set plugins.my plugin.timeout=1s: can't be a plugin; name it after its file, with 1 to 64 letters, digits, "_" and "-"`},
		"flag without a key": {key: "", value: "1",
			want: "flag --set =1: unknown key; the tables are admin, dead_letters, drain, inbound, log, outbound, plugins, redis"},
		"flag with a size past 64 bits": {key: "inbound.max_payload", value: "9000000TiB",
			want: `flag --set inbound.max_payload=9000000TiB: is "9000000TiB", must be a size such as 8MiB`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Source{Environ: []string{c.env}}
			if c.env == "" {
				s = Source{Flags: map[string]string{c.key: c.value}}
			}
			require.Equal(t, []string{c.want}, mistakes(t, s))
		})
	}
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
			Timeout: 2 * time.Second, MemoryLimit: units.MiB, MaxInstances: 3, EmitStreams: []string{},
			Config: map[string]any{"a": int64(1), "b": "text"},
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

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.toml")
	require.NoError(f, err)
	for _, file := range append(files, "../../config.toml") {
		doc, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(doc)
	}
	f.Add([]byte("[plugins.a.config]\n'b.c' = [1, {d = nan}, 1979-05-27T07:32:00Z, 07:32:00]\n"))
	path := filepath.Join(f.TempDir(), "config.toml")
	f.Fuzz(func(t *testing.T, doc []byte) {
		require.NoError(t, os.WriteFile(path, doc, 0o600))
		c, err := Load(Source{File: path})
		if err != nil {
			requireClearLines(t, path, err)
			return
		}
		l := loader{schema: newSchema()}
		l.validate(&c)
		require.Empty(t, l.errs, "an impossible value got through")
		_, err = c.TOML()
		require.NoError(t, err)
	})
}

// requireClearLines checks that each mistake is one line that begins with the file.
func requireClearLines(t *testing.T, path string, err error) {
	t.Helper()
	joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err)
	require.True(t, ok, "%v", err)
	for _, mistake := range joined.Unwrap() {
		require.True(t, strings.HasPrefix(mistake.Error(), path+":"), "%v", mistake)
		require.NotContains(t, mistake.Error(), "\n")
	}
}
