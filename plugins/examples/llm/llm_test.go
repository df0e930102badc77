package llm_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/guesttest"
)

const refusal = "Sorry, I can't answer that right now."

// plugins builds the plugin once, and starts it for one test after the other.
type plugins struct{ module string }

// start starts the plugin with an API that answers so.
func (p plugins) start(t *testing.T, api http.HandlerFunc, state map[string]string, change func(*host.PluginConfig)) *guesttest.Guest {
	t.Helper()
	s := httptest.NewServer(api)
	t.Cleanup(s.Close)
	return guesttest.Start(t, p.module, state, func(c *host.PluginConfig) {
		c.HTTP.Origins = []string{s.URL}
		c.HTTP.Addresses = []string{strings.TrimPrefix(s.URL, "http://")}
		c.Config = map[string]any{"base_url": s.URL + "/v1/", "model": "m-1"}
		if change != nil {
			change(c)
		}
	})
}

func set(key string, value any) func(*host.PluginConfig) {
	return func(c *host.PluginConfig) { c.Config[key] = value }
}

// ask has the plugin handle an addressed message.
func ask(t *testing.T, g *guesttest.Guest, attempt int64, text string) abi.Verdict {
	t.Helper()
	v, err := g.Handle(t, abi.Message{
		Stream: "sg:stream:inbound", ID: "1-0", Attempt: attempt, TraceID: "T", Platform: "irc", ChannelKey: "irc:42",
	}, map[string]any{"content": text, "channel_id": "42", "message_id": "7", "is_addressed": true})
	require.NoError(t, err)
	return v
}

// replied is the text of the one reply.
func replied(t *testing.T, v abi.Verdict) string {
	t.Helper()
	require.Equal(t, abi.StatusDone, v.Status, v.Reason)
	require.Len(t, v.Emits, 1)
	require.Equal(t, "irc", v.Emits[0].Platform)
	p := guesttest.Payload(t, v.Emits[0])
	text := p["text"]
	delete(p, "text")
	require.Equal(t, map[string]any{"platform": "irc", "channel_id": "42", "type": "message", "trace_id": "T", "reply_to": "7"}, p)
	return text.(string)
}

func TestLLM(t *testing.T) {
	t.Parallel()
	p := plugins{guesttest.Build(t, ".")}
	for name, test := range map[string]func(*testing.T, plugins){
		"asks and answers": asksAndAnswers, "goes without a key": goesWithoutAKey, "reads any stream": readsAnyStream,
		"tries again": triesAgain, "gives up": givesUp, "broken streams": brokenStreams, "time-out": timesOut,
		"no connection": noConnection, "whom it answers": whomItAnswers, "history fits": historyFits, "refuses": refusesConfiguration,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

func asksAndAnswers(t *testing.T, p plugins) {
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte("sk-1234567\n"), 0o600))
	var request *http.Request
	var body map[string]any
	api := func(w http.ResponseWriter, r *http.Request) {
		request = r
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		stream(said("You said: "), said("\"hé😀\"\n"), finished("stop"), done)(w, r)
	}
	state := map[string]string{"history:irc:42": `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]}`}
	g := p.start(t, api, state, func(c *host.PluginConfig) {
		s := host.DefaultSecret()
		s.File, s.Origins = key, c.HTTP.Origins
		c.Secrets["api-key"] = s
		c.Config["system_prompt"], c.Config["temperature"], c.Config["max_tokens"] = "Be brief.", 0.5, 100
		c.Config["history_ttl"] = "2h"
	})
	v := ask(t, g, 1, "hé😀")
	require.Equal(t, "You said: \"hé😀\"\n", replied(t, v))
	require.Equal(t, "POST /v1/chat/completions", request.Method+" "+request.URL.Path)
	require.Equal(t, "Bearer sk-1234567", request.Header.Get("Authorization"))
	require.Equal(t, "application/json", request.Header.Get("Content-Type"))
	require.Equal(t, map[string]any{
		"model": "m-1", "stream": true, "temperature": 0.5, "max_tokens": 100.0, "messages": []any{
			map[string]any{"role": "system", "content": "Be brief."}, map[string]any{"role": "user", "content": "hi"},
			map[string]any{"role": "assistant", "content": "ho"}, map[string]any{"role": "user", "content": "hé😀"},
		},
	}, body)
	require.Len(t, v.Writes, 1)
	require.Equal(t, "history:irc:42", v.Writes[0].Key)
	require.Equal(t, 2*time.Hour, v.Writes[0].TTL)
	require.JSONEq(t, `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"},
		{"role":"user","content":"hé😀"},{"role":"assistant","content":"You said: \"hé😀\"\n"}]}`, string(v.Writes[0].Value))
}

func goesWithoutAKey(t *testing.T, p plugins) {
	g := p.start(t, func(w http.ResponseWriter, r *http.Request) {
		stream(said("key: "+r.Header.Get("Authorization")), done)(w, r)
	}, nil, nil)
	require.Equal(t, "key: ", replied(t, ask(t, g, 1, "x")))
	require.Equal(t, "key: ", replied(t, ask(t, g, 1, "x")))
	require.Equal(t, 1, strings.Count(g.Log.String(), "there is no secret"), "an instance asks for what it does not get once")
}

func readsAnyStream(t *testing.T, p plugins) {
	whole := "\ufeff: a comment\r\n\r\n" + strings.ReplaceAll(said("zwölf "), "\n", "\r\n") + ": ping\n\n" + said("Boxkämpfer 😀") +
		"event: message\nid: 3\nretry: 10\ndata: {\"choices\":\ndata:[]}\n\n" + finished("length") + `data: {"choices":[],"usage":{}}` + "\r\r"
	bytes := make([]string, len(whole))
	for i := range len(whole) {
		bytes[i] = whole[i : i+1]
	}
	streams := map[string]http.HandlerFunc{
		"at once": stream(whole, done), "byte by byte": stream(append(bytes, done)...), "without [DONE]": stream(whole), "cut behind its end": cut(whole),
		"more behind its end": stream(whole, done, "data: {nonsense\n\n"),
	}
	g := p.start(t, apis(streams), nil, nil)
	for name := range streams {
		require.Equal(t, "zwölf Boxkämpfer 😀", replied(t, ask(t, g, 1, name)), name)
	}
}

func triesAgain(t *testing.T, p plugins) {
	cases := map[string]struct {
		api   http.HandlerFunc
		after time.Duration
	}{
		"408": {refuse(408), 0}, "409": {refuse(409), 0}, "500": {refuse(500), 0}, "502": {refuse(502), 0}, "529": {refuse(529), 0},
		"429":              {refuse(429, "Retry-After", "7"), 7 * time.Second},
		"503":              {refuse(503, "Retry-After", "1"), time.Second},
		"ms before s":      {refuse(429, "Retry-After-Ms", "1500.5", "Retry-After", "7"), 1500 * time.Millisecond},
		"a date":           {refuse(503, "Retry-After", "Fri, 01 Mar 2024 00:00:30 GMT", "Date", "Thu, 29 Feb 2024 23:59:00 GMT"), 90 * time.Second},
		"a date of a year": {refuse(503, "Retry-After", "Fri, 01 Jan 2027 00:00:01 GMT", "Date", "Thu, 31 Dec 2026 23:59:59 GMT"), 2 * time.Second},
		"a date that was":  {refuse(503, "Retry-After", "Thu, 29 Feb 2024 23:58:00 GMT", "Date", "Thu, 29 Feb 2024 23:59:00 GMT"), 0},
		"nonsense":         {refuse(503, "Retry-After", "soon, -1 12 x GMT", "Retry-After-Ms", "NaN"), 0},
		"far too long":     {refuse(503, "Retry-After", "1e300"), 24 * time.Hour},
	}
	named := map[string]http.HandlerFunc{}
	for name, c := range cases {
		named[name] = c.api
	}
	g := p.start(t, apis(named), nil, nil)
	for name, c := range cases {
		v := ask(t, g, 2, name)
		require.Equal(t, abi.StatusRetry, v.Status, name)
		require.Equal(t, c.after, v.RetryAfter, name)
		require.Regexp(t, `^the API answered \d+: no such luck$`, v.Reason, name)
		require.Equal(t, refusal, replied(t, ask(t, g, 3, name)), "%s: at the last attempt", name)
	}
	require.Equal(t, len(cases), strings.Count(g.Log.String(), `"level":"ERROR","msg":"the message is answered with the refusal: the API answered`))
	g = p.start(t, refuse(500), nil, set("max_attempts", 5))
	require.Equal(t, abi.StatusRetry, ask(t, g, 4, "x").Status)
	require.Equal(t, refusal, replied(t, ask(t, g, 5, "x")))
}

func givesUp(t *testing.T, p plugins) {
	cases := map[string]struct {
		api http.HandlerFunc
		why string
	}{
		"400": {refuse(400), "the API answered 400: no such luck"}, "401": {refuse(401), "the API answered 401: no such luck"},
		"403": {refuse(403), "the API answered 403: no such luck"}, "404": {refuse(404), "the API answered 404: no such luck"},
		"413": {refuse(413), "the API answered 413: no such luck"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
			"the API answered 302: "},
		"a filter": {stream(said("How to "), finished("content_filter"), done), "the API's content filter withheld the answer"},
		"a filter within": {stream(`data: {"error":{"code":"content_filter","message":"filtered"}}` + "\n\n"),
			"the API broke its answer off: filtered"},
		"a status within": {stream(said("a"), `data: {"error":{"code":401,"message":"who?"}}`+"\n\n"), "the API broke its answer off: who?"},
	}
	named := map[string]http.HandlerFunc{}
	for name, c := range cases {
		named[name] = c.api
	}
	g := p.start(t, apis(named), map[string]string{"history:irc:42": `{"messages":[]}`}, set("refusal_text", "No."))
	for name, c := range cases {
		v := ask(t, g, 1, name)
		require.Equal(t, "No.", replied(t, v), name)
		require.Empty(t, v.Writes, "%s: the history is not touched", name)
		require.Contains(t, g.Log.String(), `"level":"ERROR","msg":"the message is answered with the refusal: `+c.why, name)
	}
	g = p.start(t, stream(said("x"), done), nil, func(c *host.PluginConfig) { c.HTTP.MaxRequest = 100 })
	require.Equal(t, refusal, replied(t, ask(t, g, 1, strings.Repeat("x", 100))), "the request is too large")
	require.Contains(t, g.Log.String(), "the message is answered with the refusal: http_open: ELIMIT: ")
}

func brokenStreams(t *testing.T, p plugins) {
	cases := map[string]struct {
		api http.HandlerFunc
		why string
	}{
		"an error":         {stream(said("a"), `data: {"error":{"message":"overloaded","type":"server_error","code":"x"}}`+"\n\n", done), "the API broke its answer off: overloaded"},
		"an error event":   {stream(said("a"), "event: error\n"+`data: {"message":"overloaded"}`+"\n\n", done), "the API broke its answer off: overloaded"},
		"an error as text": {stream(`data: {"error":"overloaded"}` + "\n\n"), "the API broke its answer off: overloaded"},
		"an error's end":   {stream(said("a"), finished("error"), done), "the API broke its answer off"},
		"no end":           {stream(said("a")), "the API's answer ended too soon"},
		"nothing":          {stream(), "the API's answer ended too soon"},
		"half of its end":  {stream(said("a"), "data: [DONE]\n"), "the API's answer ended too soon"},
		"no JSON":          {stream(said("a"), "data: {\"choices\"\n\n", done), "the API's answer is not JSON: no colon at byte 10"},
		"no text":          {stream(finished("stop"), done), "the API's answer is empty"},
		"a cut":            {cut(said("a")), "http_read: EUNAVAILABLE: unexpected EOF"},
		"a cut in a line":  {cut(said("a")[:20]), "http_read: EUNAVAILABLE: unexpected EOF"},
	}
	named := map[string]http.HandlerFunc{}
	for name, c := range cases {
		named[name] = c.api
	}
	g := p.start(t, apis(named), nil, nil)
	for name, c := range cases {
		v := ask(t, g, 1, name)
		require.Equal(t, abi.StatusRetry, v.Status, name)
		require.Equal(t, c.why, v.Reason, name)
		require.Zero(t, v.RetryAfter, name)
		require.Empty(t, v.Emits, name)
		v = ask(t, g, 3, name)
		require.Equal(t, refusal, replied(t, v), name)
		require.Empty(t, v.Writes, name)
	}
}

// The request's time is over, and the call's is not.
func timesOut(t *testing.T, p plugins) {
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	named := map[string]http.HandlerFunc{"before the head": silent, "within the stream": func(w http.ResponseWriter, r *http.Request) {
		stream(said("a"))(w, r)
		silent(w, r)
	}}
	g := p.start(t, apis(named), nil, func(c *host.PluginConfig) { c.HTTP.Timeout = time.Second })
	for name := range named {
		v := ask(t, g, 1, name)
		require.Equal(t, abi.StatusRetry, v.Status, name)
		require.Contains(t, v.Reason, ": EUNAVAILABLE: ", name)
		require.Equal(t, refusal, replied(t, ask(t, g, 3, name)), name)
	}
}

func noConnection(t *testing.T, p plugins) {
	s := httptest.NewServer(http.NotFoundHandler())
	g := p.start(t, nil, nil, func(c *host.PluginConfig) {
		c.HTTP.Origins, c.HTTP.Addresses = []string{s.URL}, []string{strings.TrimPrefix(s.URL, "http://")}
		c.Config["base_url"] = s.URL
	})
	s.Close()
	v := ask(t, g, 1, "x")
	require.Equal(t, abi.StatusRetry, v.Status)
	require.Contains(t, v.Reason, "http_head: EUNAVAILABLE: ")
	require.Equal(t, refusal, replied(t, ask(t, g, 3, "x")))
}

func whomItAnswers(t *testing.T, p plugins) {
	handle := func(g *guesttest.Guest, payload map[string]any) abi.Status {
		v, err := g.Handle(t, abi.Message{Platform: "irc", ChannelKey: "irc:42", Attempt: 1}, payload)
		require.NoError(t, err)
		return v.Status
	}
	api := stream(said("a"), done)
	some, all := p.start(t, api, nil, nil), p.start(t, api, nil, set("only_addressed", false))
	require.Equal(t, abi.StatusDone, handle(some, map[string]any{"content": "x", "is_addressed": true}))
	require.Equal(t, abi.StatusDrop, handle(some, map[string]any{"content": "x", "is_addressed": false}))
	require.Equal(t, abi.StatusDrop, handle(some, map[string]any{"content": "x"}))
	require.Equal(t, abi.StatusDrop, handle(some, map[string]any{"content": " \n", "is_addressed": true}))
	require.Equal(t, abi.StatusDone, handle(all, map[string]any{"content": "x", "is_addressed": false}))
	require.Equal(t, abi.StatusDone, handle(all, map[string]any{"content": "x"}))
}

// kept is what is kept of a conversation: who said what.
func kept(t *testing.T, v abi.Verdict) string {
	t.Helper()
	require.Len(t, v.Writes, 1)
	var h struct {
		Messages []struct{ Role, Content string }
	}
	require.NoError(t, json.Unmarshal(v.Writes[0].Value, &h))
	var all []string
	for _, m := range h.Messages {
		all = append(all, m.Role[:1]+":"+m.Content)
	}
	return strings.Join(all, " ")
}

func historyFits(t *testing.T, p plugins) {
	const before = `{"messages":[{"role":"user","content":"aaaa"},{"role":"assistant","content":"bbbb"},` +
		`{"role":"user","content":"cccc"},{"role":"assistant","content":"dddd"}]}`
	api := stream(said("ffff"), done)
	with := func(history, key string, value any) abi.Verdict {
		return ask(t, p.start(t, api, map[string]string{"history:irc:42": history}, set(key, value)), 1, "eeee")
	}
	require.Equal(t, "u:aaaa a:bbbb u:cccc a:dddd u:eeee a:ffff", kept(t, with(before, "history_tokens", 6)))
	require.Equal(t, "u:cccc a:dddd u:eeee a:ffff", kept(t, with(before, "history_tokens", 5)))
	require.Equal(t, "u:eeee a:ffff", kept(t, with(before, "history_tokens", 2)))
	v := with(before, "history_tokens", 1)
	require.True(t, len(v.Writes) == 1 && v.Writes[0].Delete, "%v", v.Writes)
	v = with(before, "history_tokens", 0)
	require.Empty(t, v.Writes)
	require.Empty(t, v.Reads)
	require.Zero(t, with(before, "history_ttl", "0s").Writes[0].TTL)
	bad := map[string]string{
		"history:a": "", "history:b": "{", "history:c": `{"messages":1}x`, "history:d": `{"messages":[{"role":"user","content":"a"}]}`,
		"history:e": `{"messages":[{"role":"assistant"},{}]}`, "history:f": "\xff",
	}
	g := p.start(t, api, bad, nil)
	for key := range bad {
		v, err := g.Handle(t, abi.Message{Platform: "irc", ChannelKey: key[len("history:"):]}, map[string]any{"content": "eeee", "is_addressed": true})
		require.NoError(t, err)
		require.Equal(t, "u:eeee a:ffff", kept(t, v), key)
		require.Equal(t, 24*time.Hour, v.Writes[0].TTL)
	}
	// Quotes take twice their room where they are kept.
	half := strings.Repeat(`\"`, 170_000)
	large := `{"messages":[{"role":"user","content":"old"},{"role":"assistant","content":"` + half + `"},` +
		`{"role":"user","content":"new"},{"role":"assistant","content":"` + half + `"}]}`
	v = ask(t, p.start(t, stream(said(strings.Repeat("x", 500_000)), done), map[string]string{"history:irc:42": large},
		func(c *host.PluginConfig) { c.Config["history_tokens"], c.HTTP.MaxRequest = 1_000_000, 8<<20 }), 1, "eeee")
	require.Len(t, v.Writes, 1)
	require.LessOrEqual(t, len(v.Writes[0].Value), abi.MaxStateValueBytes)
	require.Regexp(t, `^u:new a:"+ u:eeee a:x+$`, kept(t, v))
}

func refusesConfiguration(t *testing.T, p plugins) {
	for want, change := range map[string]func(map[string]any){
		"missing property 'model'":           func(c map[string]any) { delete(c, "model") },
		"history_ttl is \"9999999d\"; write": func(c map[string]any) { c["history_ttl"] = "9999999d" },
		"history_ttl":                        func(c map[string]any) { c["history_ttl"] = "soon" },
		"colour":                             func(c map[string]any) { c["colour"] = "red" },
		"http.origins":                       func(c map[string]any) { c["base_url"] = "https://elsewhere.example" },
	} {
		g, err := guesttest.Load(t, p.module, nil, func(c *host.PluginConfig) {
			c.HTTP.Origins = []string{"https://api.openai.com"}
			c.Config = map[string]any{"model": "m"}
			change(c.Config)
		})
		if err == nil {
			err = g.Start(t.Context())
		}
		require.ErrorContains(t, err, want)
	}
	guesttest.Start(t, p.module, nil, func(c *host.PluginConfig) {
		c.HTTP.Origins, c.Config = []string{"https://api.openai.com"}, map[string]any{"model": "m"}
	})
}
