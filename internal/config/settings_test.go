package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

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
			want: "environment SGSTREAMD_SERVICE_HOST: unknown key; the tables are admin, dead_letters, drain, inbound, log, outbound, plugins, redis, state"},
		"variable in lower case": {env: "SGSTREAMD_redis__url=redis://h",
			want: "environment SGSTREAMD_redis__url: unknown variable; write it in upper case: SGSTREAMD_REDIS__URL"},
		"prefix alone": {env: "SGSTREAMD_=x",
			want: "environment SGSTREAMD_: unknown key; the tables are admin, dead_letters, drain, inbound, log, outbound, plugins, redis, state"},
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
			want: "flag --set =1: unknown key; the tables are admin, dead_letters, drain, inbound, log, outbound, plugins, redis, state"},
		"flag with a size past 64 bits": {key: "inbound.max_payload", value: "9000000TiB",
			want: `flag --set inbound.max_payload=9000000TiB: is "9000000TiB", must be a size such as 8MiB`},
		"variable that is not UTF-8": {env: "SGSTREAMD_INBOUND__STREAM=in\xff",
			want: "environment SGSTREAMD_INBOUND__STREAM: is not UTF-8, must be text such as sg:stream:inbound"},
		"fleet's variable that is not UTF-8": {env: "SG_WORKER_GROUP=\xc3",
			want: "environment SG_WORKER_GROUP: is not UTF-8, must be text such as sg:workers"},
		"flag that is not UTF-8": {key: "outbound.platforms", value: "a,\xff",
			want: `flag --set outbound.platforms=a,�: is not UTF-8, must be a list of text such as ["one", "two"], or "auto"`},
		"flag whose key is not UTF-8": {key: "plugins.echo.config.\xff", value: "1",
			want: "flag --set plugins.echo.config.�=1: the key is not UTF-8"},
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

// A list with two empty names has each mistake of theirs once.
func TestLoadNamesAMistakeOnce(t *testing.T) {
	t.Parallel()
	lines := mistakes(t, Source{Flags: map[string]string{"outbound.platforms": ",,"}})
	require.Contains(t, lines, "flag --set outbound.platforms=,,: outbound.platforms holds an empty name; remove it")
	seen := map[string]bool{}
	for _, line := range lines {
		require.False(t, seen[line], line)
		seen[line] = true
	}
}
