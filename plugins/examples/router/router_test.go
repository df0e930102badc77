package router

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/guesttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type table = map[string]any

func configured(config table) func(*host.PluginConfig) {
	return func(c *host.PluginConfig) { c.Config = config }
}

// outcome is what became of a message in one line: where it went, or its status and reason.
func outcome(t *testing.T, g *guesttest.Guest, m abi.Message, payload table) string {
	t.Helper()
	v, err := g.Handle(t, m, payload)
	require.NoError(t, err)
	if v.Status != abi.StatusDone {
		require.Empty(t, v.Emits)
		return strings.TrimSpace(v.Status.String() + " " + v.Reason)
	}
	require.Len(t, v.Emits, 1)
	return v.Emits[0].Platform
}

func to(platform string) table { return table{"platform": platform} }

func TestFirstRuleThatMatchesDecides(t *testing.T) {
	t.Parallel()
	g := guesttest.Start(t, guesttest.Build(t, "."), nil, configured(table{
		"default": table{"route": to("default")},
		"rules": []any{
			table{"platform": "spam", "drop": true},
			table{"platform": "old", "channel_key": "old:closed*", "reject": "the channel is closed"},
			table{"channel_key": "irc:#ops", "route": to("channel")},
			table{"content": table{"prefix": "!Support", "ignore_case": true}, "payload": table{"is_dm": true}, "route": to("direct-support")},
			table{"content": table{"prefix": "!Support", "ignore_case": true}, "route": to("support")},
			table{"content": table{"prefix": "!exact"}, "route": to("exact")},
			table{"content": table{"contains": "ÜBUNG σ", "ignore_case": true}, "route": to("folded")},
			table{"content": table{"contains": "needle"}, "route": to("contains")},
			table{"content": table{"equals": "STOP", "ignore_case": true}, "route": to("stop")},
			table{"content": table{"equals": "ping"}, "route": to("ping")},
			table{"content": table{"equals": ""}, "payload": table{"is_dm": false}, "route": to("empty")},
			table{"payload": table{"is_addressed": true, "is_dm": false}, "route": to("addressed")},
		},
	}))
	for _, c := range []struct {
		m       abi.Message
		payload table
		want    string
	}{
		{abi.Message{Platform: "spam"}, table{"content": "!support"}, "drop"},
		{abi.Message{Platform: "spams"}, table{"content": "hi"}, "default"},
		{abi.Message{Platform: "old", ChannelKey: "old:closed-7"}, table{}, "reject the channel is closed"},
		{abi.Message{Platform: "new", ChannelKey: "old:closed-7"}, table{"content": "x"}, "default"},
		{abi.Message{ChannelKey: "irc:#ops"}, table{"content": "ping"}, "channel"},
		{abi.Message{ChannelKey: "irc:#ops2"}, table{"content": "ping"}, "ping"},
		{abi.Message{}, table{"content": "!sUPPORT me", "is_dm": true}, "direct-support"},
		{abi.Message{}, table{"content": "!SUPPORT me"}, "support"},
		{abi.Message{}, table{"content": "say !support"}, "default"},
		{abi.Message{}, table{"content": "!exactly"}, "exact"},
		{abi.Message{}, table{"content": "!Exactly"}, "default"},
		{abi.Message{}, table{"content": "die übung Σ heute"}, "folded"},
		{abi.Message{}, table{"content": "Übung ς"}, "folded"},
		{abi.Message{}, table{"content": "die ubung Σ heute"}, "default"},
		{abi.Message{}, table{"content": "hay needle hay"}, "contains"},
		{abi.Message{}, table{"content": "hay Needle hay"}, "default"},
		{abi.Message{}, table{"content": "Stop"}, "stop"},
		{abi.Message{}, table{"content": "Stop!"}, "default"},
		{abi.Message{}, table{"content": "Sto"}, "default"},
		{abi.Message{}, table{"content": "ping"}, "ping"},
		{abi.Message{}, table{"content": "ping "}, "default"},
		{abi.Message{}, table{"content": "x\xff\xf0\x9fst\xe2"}, "default"},
		{abi.Message{}, table{"content": 7}, "empty"},
		{abi.Message{}, table{"content": nil, "is_dm": true}, "default"},
		{abi.Message{}, table{"content": "x", "is_addressed": true}, "addressed"},
		{abi.Message{}, table{"content": "x", "is_addressed": "true"}, "default"},
		{abi.Message{}, table{"content": "x", "is_addressed": true, "is_dm": true}, "default"},
	} {
		require.Equal(t, c.want, outcome(t, g, c.m, c.payload), "%+v %v", c.m, c.payload)
	}
}

func TestRoutePassesThePayloadOnUnchangedButForWhatItReplaces(t *testing.T) {
	t.Parallel()
	g := guesttest.Start(t, guesttest.Build(t, "."), nil, configured(table{
		"default": table{"route": table{
			"platform": "telegram", "channel_id": "-100",
			"set":    table{"type": "message", "from": table{"bridge": true, "hops": 1}},
			"copy":   table{"text": "content", "reply_to": "no_such_field", "author": "username"},
			"remove": []any{"secret", "not_there"},
		}},
	}))
	// Forms that no encoder chooses for these values show that they are copied, not written anew.
	kept := "\xa3big\xcf\xff\xff\xff\xff\xff\xff\xff\xff" + "\xa5small\xca\x3f\x80\x00\x00" + "\xa3one\xd3\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\xa3bin\xc5\x00\x02\x00\xff" + "\xa3ext\xc7\x01\x42x" + "\xa4nest\xdf\x00\x00\x00\x01\xa1a\xdd\x00\x00\x00\x01\xc0" + "\xa8reply_to\xa19"
	payload := "\x8d" + "\xa8platform\xa7discord" + "\xaachannel_id\xa242" + "\xa7content\xda\x00\x02hi" + "\xa8username\xa3ada" + kept + "\xa6secret\xa1s" + "\xa4text\xa3old"
	v, err := g.Plugin.Handle(t.Context(), nil, &abi.Message{Platform: "discord", Payload: []byte(payload)})
	require.NoError(t, err)
	require.Equal(t, abi.StatusDone, v.Status)
	require.Len(t, v.Emits, 1)
	require.Equal(t, "telegram", v.Emits[0].Platform)
	require.Contains(t, string(v.Emits[0].Payload), kept)
	require.Contains(t, string(v.Emits[0].Payload), "\xa4text\xda\x00\x02hi")
	members, _, err := msgp.ReadMapHeaderBytes(v.Emits[0].Payload)
	require.NoError(t, err)
	got := guesttest.Payload(t, v.Emits[0])
	require.Len(t, got, int(members), "a key is there twice")
	for key, want := range (table{"platform": "telegram", "channel_id": "-100", "type": "message", "text": "hi", "author": "ada", "content": "hi", "reply_to": "9"}) {
		require.Equal(t, want, got[key], key)
	}
	require.Equal(t, true, got["from"].(table)["bridge"])
	require.NotContains(t, got, "secret")
}

func TestRefusesAConfigurationWithTheRule(t *testing.T) {
	t.Parallel()
	module := guesttest.Build(t, ".")
	fine := table{"platform": "a", "drop": true}
	for want, second := range map[string]table{
		`rule 2 ("mine"): give one of route, drop = true and reject, and no more`:                         {"name": "mine", "platform": "a"},
		`rule 2: give one of route, drop = true and reject, and no more`:                                  {"platform": "a", "drop": true, "reject": "no"},
		`rule 2: reject is empty; write the reason for the dead letter`:                                   {"platform": "a", "reject": ""},
		`rule 2: channel_key is "a*b"; a * may stand at its end only`:                                     {"channel_key": "a*b", "drop": true},
		`rule 2: content: give one of prefix, contains and equals, and no more`:                           {"content": table{"prefix": "a", "equals": "b"}, "drop": true},
		`rule 2: content.contains is empty, which holds for every message; remove it`:                     {"content": table{"contains": ""}, "drop": true},
		`rule 2: has no condition, so no rule behind it is ever met; give it one, or write it as the def`: {"payload": table{}, "drop": true},
		`rule 2: route.platform is "a b"; write the name of a platform, without white space`:              {"platform": "a", "route": to("a b")},
		`rule 2: route.set has the key platform, and route.platform sets it already; remove one`:          {"platform": "a", "route": table{"platform": "b", "set": table{"platform": "c"}}},
		`rule 2: route.copy has the key channel_id, and route.channel_id sets it already; remove one`:     {"platform": "a", "route": table{"platform": "b", "channel_id": "1", "copy": table{"channel_id": "x"}}},
		`rule 2: route.remove has the key text, and route.copy sets it already; remove one`:               {"platform": "a", "route": table{"platform": "b", "copy": table{"text": "x"}, "remove": []any{"text"}}},
		`plugins.p.config.rules.1.content: additional properties 'prefx' not allowed`:                     {"content": table{"prefx": "a"}, "drop": true},
		`plugins.p.config.rules.1.drop: value must be true`:                                               {"platform": "a", "drop": false},
	} {
		require.ErrorContains(t, refusal(t, module, table{"rules": []any{fine, second}, "default": table{"drop": true}}), want)
	}
	require.ErrorContains(t, refusal(t, module, table{}), "plugins.p.config: missing property 'default'")
	require.ErrorContains(t, refusal(t, module, table{"default": table{}}), "plugins.p.config: default: give one of")
}

// refusal is why the plugin does not start.
func refusal(t *testing.T, module string, config table) error {
	t.Helper()
	g, err := guesttest.Load(t, module, nil, configured(config))
	if err == nil {
		err = g.Plugin.Start(t.Context())
	}
	require.Error(t, err)
	require.NotContains(t, err.Error(), "\n")
	return err
}
