package consumer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

func TestAURLOfSentinelsOrAClusterSaysWhatItSays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]address{
		"redis+sentinel://h/main":                    {topology: sentinels, hosts: []string{"h:26379"}, primary: "main"},
		"redis+sentinel://a:1,b,[::1]:3,[::2]/m-1/5": {topology: sentinels, hosts: []string{"a:1", "b:26379", "[::1]:3", "[::2]:26379"}, primary: "m-1", db: 5},
		"redis+sentinel://u:p%40%2F@h/m?sentinel_username=s&sentinel_password=q%26": {topology: sentinels, hosts: []string{"h:26379"}, primary: "m",
			username: "u", password: "p@/", sentinelUsername: "s", sentinelPassword: "q&"},
		"redis+cluster://h":             {topology: cluster, hosts: []string{"h:6379"}},
		"redis+cluster://:p@a:1,b:2/":   {topology: cluster, hosts: []string{"a:1", "b:2"}, password: "p"},
		"redis+cluster://u:p@a,b:2/0":   {topology: cluster, hosts: []string{"a:6379", "b:2"}, username: "u", password: "p"},
		"rediss+cluster://[fe80::1]:70": {topology: cluster, hosts: []string{"[fe80::1]:70"}},
	} {
		got, err := parseAddress(text)
		require.NoError(t, err, text)
		require.Equal(t, strings.HasPrefix(text, "rediss"), got.tls != nil, text)
		require.Empty(t, cmp.Diff(want, got, cmp.AllowUnexported(address{}), cmpopts.IgnoreFields(address{}, "tls")), text)
	}
}

func TestAURLOfSentinelsOrAClusterThatCanNotBeIsOneLineWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for rest, want := range map[string]string{
		"sentinel://:hunter2@h":                                        "names no primary",
		"sentinel://:hunter2@h/":                                       "names no primary",
		"sentinel://:hunter2@h/a,b":                                    "names no primary",
		"sentinel://:hunter2@h/m/x":                                    "has no number behind the primary's name",
		"sentinel://:hunter2@h/m/-1":                                   "has no number",
		"sentinel://:hunter2@h/m/1/2":                                  "has no number",
		"sentinel://:hunter2@h/m/":                                     "has no number",
		"sentinel://:hunter2@h,/m":                                     "names a host without a name",
		"sentinel://:hunter2@:1/m":                                     "names a host without a name",
		"sentinel:///m":                                                "names a host without a name",
		"sentinel://h/m?sentinel_password=a&hunter2":                   "has a query that is not understood",
		"sentinel://h/m?master_name=m":                                 "has a query that is not understood",
		"sentinel://h/m?sentinel_password=%hunter2":                    "has a query that can't be read",
		"sentinel://h/m?sentinel_username=a&sentinel_username=hunter2": "has a query that is not understood",
		"sentinel://:hunter2@h/m#x":                                    `has a "#"`,
		"sentinel://:hunter2@h:1:2/m":                                  "is not a Redis URL; write ",
		"sentinel://:hunter2@h,i:x/m":                                  "is not a Redis URL",
		"sentinel://:hunter2%zz@h/m":                                   "is not a Redis URL",
		"sentinel:h/m":                                                 "is not a Redis URL",
		"cluster://:hunter2@h/1":                                       "names a database",
		"cluster://:hunter2@h?addr=i:1":                                `has a "?"`,
		"cluster://":                                                   "names a host without a name",
		"cluster://:hunter2@h i":                                       "is not a Redis URL",
		"ring://:hunter2@h":                                            "is not a Redis URL",
	} {
		for _, scheme := range []string{"redis+", "rediss+"} {
			c := RedisConfig{URL: scheme + rest}
			err := c.Validate()
			require.ErrorContains(t, err, "url "+want, rest)
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), "\n")
			_, err = Dial(c, 1)
			require.ErrorContains(t, err, "redis.url "+want, rest)
			require.Equal(t, "xxxxx", RedactedURL(c.URL))
		}
	}
}

func TestARedactedURLHasNoPassword(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"embedded":                       "embedded",
		"redis://u:p@h:1/0":              "redis://u:xxxxx@h:1/0",
		"redis+sentinel://a:1,b/m/1":     "redis+sentinel://a:1,b/m/1",
		"redis+sentinel://u:p@a:1,b:2/m": "redis+sentinel://u:xxxxx@a:1,b:2/m",
		"redis+sentinel://u@[::1],b:2/m": "redis+sentinel://u@[::1],b:2/m",
		"redis+sentinel://:a%2Fb@h/m?sentinel_username=s&sentinel_password=q": "redis+sentinel://:xxxxx@h/m?sentinel_password=xxxxx&sentinel_username=s",
		"rediss+cluster://:p@a,b:7000":                                        "rediss+cluster://:xxxxx@a,b:7000",
		"redis+cluster://u:p%zz@a,b":                                          "xxxxx",
		"redis+cluster://u:p@a?password=":                                     "xxxxx",
	} {
		require.Equal(t, want, RedactedURL(text))
	}
}

func FuzzAddressesAreReadWithoutPanicAndTellNoPassword(f *testing.F) {
	for _, rest := range []string{"h/m", "a:1,b:2/m/3?sentinel_username=x", "[::1]:1,h", "@@,/?#", "h,h,,:/m?sentinel_password="} {
		f.Add("redis+sentinel", "u", rest)
		f.Add("rediss+cluster", "", rest)
		f.Add("redis", "", rest)
	}
	f.Fuzz(func(t *testing.T, scheme, user, rest string) {
		const secret = "hunter2hunter2"
		text := scheme + "://" + strings.Trim(user, "/?#") + ":" + secret + "@" + rest
		a, err := parseAddress(text)
		if strings.ContainsAny(scheme+user, ":/?#@,") || strings.Contains(rest, secret) {
			return // it may stand elsewhere
		}
		require.NotContains(t, RedactedURL(text), secret)
		if err != nil {
			require.NotContains(t, err.Error(), secret)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.True(t, a.server != nil || len(a.hosts) > 0)
	})
}
