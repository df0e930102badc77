package slack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/guesttest"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// module is the adapter, built once for all tests.
var module string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "slack-test-")
	if err == nil {
		module = filepath.Join(dir, "slack.wasm")
		err = toolchain.Build(context.Background(), ".", module, io.Discard)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// answer is what Slack says to one request; the zero value is success.
type answer struct {
	status     int
	retryAfter string
	body       string // "" is {"ok":true}
	cut        bool   // the connection ends within the body
	silent     bool   // there is none
}

// slack is a server that behaves as Slack's documentation of chat.postMessage says.
type slack struct {
	*httptest.Server
	mu      sync.Mutex
	posts   []map[string]any
	answers []answer // of the posts, in their order; behind the last one, success
}

func newSlack(t *testing.T, answers ...answer) *slack {
	s := &slack{answers: answers}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var post map[string]any
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/api/chat.postMessage":
		http.NotFound(w, r)
		return
	case r.Header.Get("Authorization") != "Bearer xoxb-not-a-real-token":
		io.WriteString(w, `{"ok":false,"error":"invalid_auth"}`)
		return
	case err != nil || r.Header.Get("Content-Type") != "application/json; charset=utf-8" || json.Unmarshal(body, &post) != nil:
		io.WriteString(w, `{"ok":false,"error":"invalid_json"}`)
		return
	}
	s.mu.Lock()
	a := answer{}
	if n := len(s.posts); n < len(s.answers) {
		a = s.answers[n]
	}
	s.posts = append(s.posts, post)
	s.mu.Unlock()
	if a.silent {
		<-r.Context().Done()
		return
	}
	a.write(w)
}

func (a answer) write(w http.ResponseWriter) {
	if a.body == "" {
		a.body = `{"ok":true,"ts":"1700000000.000100"}`
	}
	if a.retryAfter != "" {
		w.Header().Set("Retry-After", a.retryAfter)
	}
	if a.cut {
		w.Header().Set("Content-Length", "1000")
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	io.WriteString(w, a.body)
}

// texts are the texts that were posted.
func (s *slack) texts() (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.posts {
		texts = append(texts, p["text"].(string))
	}
	return texts
}

// start runs the adapter as an operator would have it. config is what its table has besides base_url.
func (s *slack) start(t *testing.T, config map[string]any, change ...func(*host.PluginConfig)) *guesttest.Guest {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("xoxb-not-a-real-token\n"), 0o600))
	return guesttest.Start(t, module, nil, func(c *host.PluginConfig) {
		c.Config = map[string]any{"base_url": s.URL + "/api"}
		for key, value := range config {
			c.Config[key] = value
		}
		c.HTTP.Origins, c.HTTP.Addresses = []string{s.URL}, []string{strings.TrimPrefix(s.URL, "http://")}
		secret := host.DefaultSecret()
		secret.File, secret.Origins = token, []string{s.URL}
		c.Secrets = map[string]host.SecretConfig{"bot-token": secret}
		for _, f := range change {
			f(c)
		}
	})
}

func message(text string) map[string]any {
	return map[string]any{"platform": "slack", "channel_id": "C1", "type": "message", "text": text, "message_key": "k", "trace_id": "T"}
}

func outbound() abi.Message {
	return abi.Message{Stream: "sg:stream:outbound:slack", ID: "1-0", Attempt: 1, TS: 1, Platform: "slack"}
}

func TestAMessageIsPosted(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	g := s.start(t, map[string]any{"unfurl_links": false})
	payload := message("a < b && c > d: ünïcödé 😀 \"quoted\"\n")
	payload["reply_to"] = "1700000000.000001"
	v, err := g.Handle(t, outbound(), payload)
	require.NoError(t, err)
	require.Equal(t, abi.Verdict{Status: abi.StatusDone}, v)
	require.Equal(t, []map[string]any{{
		"channel": "C1", "text": "a &lt; b &amp;&amp; c &gt; d: ünïcödé 😀 \"quoted\"\n", "mrkdwn": true,
		"thread_ts": "1700000000.000001", "unfurl_links": false, "unfurl_media": false,
	}}, s.posts)
}

func TestWhatSlackRefuses(t *testing.T) {
	t.Parallel()
	errorOf := func(name string) string { return `{"ok":false,"error":"` + name + `"}` }
	tests := map[string]struct {
		answer answer
		want   abi.Verdict
	}{
		"HTTP 429":            {answer{status: 429, retryAfter: "30", body: errorOf("ratelimited")}, abi.Verdict{Status: abi.StatusRetry, RetryAfter: 30 * time.Second, Reason: "slack: HTTP 429"}},
		"HTTP 429, no header": {answer{status: 429}, abi.Verdict{Status: abi.StatusRetry, Reason: "slack: HTTP 429"}},
		"HTTP 503":            {answer{status: 503, body: "<html>", retryAfter: "2"}, abi.Verdict{Status: abi.StatusRetry, RetryAfter: 2 * time.Second, Reason: "slack: HTTP 503"}},
		"no JSON":             {answer{body: "<html>"}, abi.Verdict{Status: abi.StatusRetry, Reason: "slack: HTTP 200 without JSON"}},
		"not Slack's JSON":    {answer{body: `{"status":"up"}`}, abi.Verdict{Status: abi.StatusRetry, Reason: "slack: HTTP 200, but not as Slack answers; is base_url right?"}},
		"a list":              {answer{body: `[]`}, abi.Verdict{Status: abi.StatusRetry, Reason: "slack: HTTP 200, but not as Slack answers; is base_url right?"}},
		"HTTP 400, no JSON":   {answer{status: 400, body: "<html>"}, abi.Verdict{Status: abi.StatusReject, Reason: "slack: HTTP 400 without JSON"}},
		"cut short":           {answer{cut: true}, abi.Verdict{Status: abi.StatusRetry, Reason: "http: EUNAVAILABLE: unexpected EOF"}},
		"ratelimited":         {answer{body: errorOf("ratelimited"), retryAfter: "7"}, abi.Verdict{Status: abi.StatusRetry, RetryAfter: 7 * time.Second, Reason: "slack: ratelimited"}},
	}
	for _, name := range []string{"internal_error", "fatal_error", "request_timeout", "service_unavailable"} {
		tests[name] = struct {
			answer answer
			want   abi.Verdict
		}{answer{body: errorOf(name)}, abi.Verdict{Status: abi.StatusRetry, Reason: "slack: " + name}}
	}
	for _, name := range []string{"channel_not_found", "not_in_channel", "is_archived", "msg_too_long", "invalid_auth", "something_new"} {
		tests[name] = struct {
			answer answer
			want   abi.Verdict
		}{answer{body: errorOf(name)}, abi.Verdict{Status: abi.StatusReject, Reason: "slack: " + name}}
	}
	var answers []answer
	var names []string
	for name, test := range tests {
		answers, names = append(answers, test.answer), append(names, name)
	}
	s := newSlack(t, answers...)
	g := s.start(t, nil)
	for _, name := range names {
		v, err := g.Handle(t, outbound(), message("hello"))
		require.NoError(t, err, name)
		require.Equal(t, tests[name].want, v, name)
	}
}

func TestNoSlackAtAll(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	g := s.start(t, nil)
	s.Close()
	v, err := g.Handle(t, outbound(), message("hello"))
	require.NoError(t, err)
	require.Equal(t, abi.StatusRetry, v.Status)
	require.Contains(t, v.Reason, "http: EUNAVAILABLE: ")
}

func TestALongTextIsSplitWhereItHurtsLeast(t *testing.T) {
	t.Parallel()
	line := func(c string, n int) string { return strings.Repeat(c, n) }
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"fits":       {line("x", 100), []string{line("x", 100)}},
		"paragraph":  {line("a", 50) + "\n\n" + line("b", 20) + "\n" + line("c", 60), []string{line("a", 50), line("b", 20) + "\n" + line("c", 60)}},
		"line":       {line("a", 50) + "\n" + line("b ", 40), []string{line("a", 50), line("b ", 40)}},
		"sentence":   {line("a", 50) + ". " + line("b ", 40), []string{line("a", 50) + ".", line("b ", 40)}},
		"word":       {line("a", 80) + " " + line("b", 60), []string{line("a", 80), line("b", 60)}},
		"anywhere":   {line("a", 110), []string{line("a", 92), line("a", 18)}},
		"not a pair": {line("a", 91) + line("😀", 10), []string{line("a", 91), line("😀", 10)}},
		"a family":   {line("a", 88) + "👩\u200d👩\u200d👧" + line("b", 10), []string{line("a", 88), "👩\u200d👩\u200d👧" + line("b", 10)}},
		"a skin":     {line("a", 90) + "👍🏽" + line("b", 10), []string{line("a", 90), "👍🏽" + line("b", 10)}},
		"a flag":     {line("a", 90) + "🇩🇪" + line("b", 10), []string{line("a", 90), "🇩🇪" + line("b", 10)}},
		"an accent":  {line("a", 91) + "e\u0301" + line("b", 10), []string{line("a", 91), "e\u0301" + line("b", 10)}},
		"joiners":    {line("\u200d", 110), []string{line("\u200d", 92), line("\u200d", 18)}},
		"blank":      {line(" ", 200) + "x", []string{"x"}},
		"escaped":    {line("&", 30), []string{line("&amp;", 18), line("&amp;", 12)}},
		"code":       {"```\n" + line("a", 60) + "\n" + line("b", 60) + "\n```", []string{"```\n" + line("a", 60) + "\n```", "```\n" + line("b", 60) + "\n```"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSlack(t)
			v, err := s.start(t, map[string]any{"max_chars": 100}).Handle(t, outbound(), message(test.text))
			require.NoError(t, err)
			require.Equal(t, abi.Verdict{Status: abi.StatusDone}, v)
			require.Equal(t, test.want, s.texts())
		})
	}
}

// What was delivered is not delivered again: the rest is a message of its own, written with the acknowledgement.
func TestPartsThatWereDeliveredAreNotSentAgain(t *testing.T) {
	t.Parallel()
	s := newSlack(t, answer{}, answer{status: 429, retryAfter: "30"}, answer{status: 429, retryAfter: "30"})
	g := s.start(t, nil)
	text := strings.Repeat("a", 3000) + "\n\n" + strings.Repeat("b", 3000) + "\n\n" + strings.Repeat("c", 3000)
	payload := message(text)
	payload["reply_to"] = "1.2"
	payload["extra"] = []any{"kept", int64(1)}
	v, err := g.Handle(t, outbound(), payload)
	require.NoError(t, err)
	require.Equal(t, abi.StatusDone, v.Status)
	require.Len(t, v.Emits, 1)
	require.Equal(t, "slack", v.Emits[0].Platform)
	rest := guesttest.Payload(t, v.Emits[0])
	require.Equal(t, map[string]any{
		"platform": "slack", "channel_id": "C1", "type": "message", "trace_id": "T", "reply_to": "1.2", "extra": []any{"kept", int64(1)},
		"text": strings.Repeat("b", 3000) + "\n\n" + strings.Repeat("c", 3000),
	}, rest)
	require.Contains(t, g.Log.String(), "parts delivered: 1; the rest is queued again: slack: HTTP 429")

	v, err = g.Handle(t, outbound(), rest) // nothing of it is delivered yet: it waits as long as Slack asks
	require.NoError(t, err)
	require.Equal(t, abi.Verdict{Status: abi.StatusRetry, RetryAfter: 30 * time.Second, Reason: "slack: HTTP 429"}, v)
	v, err = g.Handle(t, outbound(), rest)
	require.NoError(t, err)
	require.Equal(t, abi.Verdict{Status: abi.StatusDone}, v)
	texts := s.texts()
	b, c := strings.Repeat("b", 3000), strings.Repeat("c", 3000)
	require.Equal(t, []string{strings.Repeat("a", 3000), b, b, b, c}, texts) // b was refused twice
}

// A Slack that does not answer costs the request, and never the call: what was delivered before would be sent again.
func TestASilentSlackCostsNoPartThatWasDelivered(t *testing.T) {
	t.Parallel()
	s := newSlack(t, answer{}, answer{silent: true})
	g := s.start(t, nil, func(c *host.PluginConfig) { c.Timeout = 11 * time.Second })
	v, err := g.Handle(t, outbound(), message(strings.Repeat("a", 3000)+"\n\n"+strings.Repeat("b", 3000)))
	require.NoError(t, err)
	require.Equal(t, abi.StatusDone, v.Status, v.Reason)
	require.Len(t, v.Emits, 1)
	require.Equal(t, strings.Repeat("b", 3000), guesttest.Payload(t, v.Emits[0])["text"])
}

func TestButtonsAreBlocks(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	payload := message("Which one?")
	payload["type"] = "buttons"
	payload["buttons"] = []any{
		map[string]any{"label": "Yes", "value": "yes", "style": "primary"},
		map[string]any{"text": strings.Repeat("x", 80), "id": "no"},
		map[string]any{"label": "Site", "url": "https://example.org/?a=1&b=2", "style": "odd"},
	}
	v, err := s.start(t, nil).Handle(t, outbound(), payload)
	require.NoError(t, err)
	require.Equal(t, abi.Verdict{Status: abi.StatusDone}, v)
	label := func(text string) map[string]any {
		return map[string]any{"type": "plain_text", "text": text, "emoji": true}
	}
	require.Equal(t, []any{
		map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": "Which one?"}},
		map[string]any{"type": "actions", "elements": []any{
			map[string]any{"type": "button", "action_id": "button-0", "text": label("Yes"), "value": "yes", "style": "primary"},
			map[string]any{"type": "button", "action_id": "button-1", "text": label(strings.Repeat("x", 74) + "…"), "value": "no"},
			map[string]any{"type": "button", "action_id": "button-2", "text": label("Site"), "url": "https://example.org/?a=1&b=2"},
		}},
	}, s.posts[0]["blocks"])
}

func TestManyButtonsAreSeveralBlocksBesideTheLastPart(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	payload := message(strings.Repeat("a", 2500) + "\n" + strings.Repeat("b", 2500))
	payload["type"] = "buttons"
	var buttons []any
	for range 60 {
		buttons = append(buttons, map[string]any{"label": "x", "value": "y"})
	}
	payload["buttons"] = buttons
	v, err := s.start(t, nil).Handle(t, outbound(), payload)
	require.NoError(t, err)
	require.Equal(t, abi.Verdict{Status: abi.StatusDone}, v)
	require.Equal(t, []string{strings.Repeat("a", 2500), strings.Repeat("b", 2500)}, s.texts())
	require.NotContains(t, s.posts[0], "blocks")
	var sizes []int
	for _, b := range s.posts[1]["blocks"].([]any)[1:] {
		sizes = append(sizes, len(b.(map[string]any)["elements"].([]any)))
	}
	require.Equal(t, []int{25, 25, 10}, sizes)
}

func TestRowsOfButtonsAreBlocks(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	payload := message("")
	payload["type"] = "buttons"
	payload["buttons"] = []any{[]any{"a", "b"}, "c", map[string]any{"label": "d"}, []any{"e"}}
	v, err := s.start(t, nil).Handle(t, outbound(), payload)
	require.NoError(t, err)
	require.Equal(t, abi.Verdict{Status: abi.StatusDone}, v)
	var rows []string
	for _, b := range s.posts[0]["blocks"].([]any) {
		row := ""
		for _, e := range b.(map[string]any)["elements"].([]any) {
			row += e.(map[string]any)["value"].(string)
		}
		rows = append(rows, row)
	}
	require.Equal(t, []string{"ab", "cd", "e"}, rows)
}

func TestWhatCanNotBeDelivered(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	g := s.start(t, map[string]any{"in_doubt": "reject"})
	change := func(key string, value any) map[string]any {
		p := message("hello")
		p[key] = value
		return p
	}
	for reason, payload := range map[string]map[string]any{
		`slack: can't deliver the type "reaction"`:                 change("type", "reaction"),
		"slack: the message has no channel_id":                     change("channel_id", ""),
		"slack: a message with buttons has at least one":           change("type", "buttons"),
		"slack: button 1 has no label":                             change("buttons", []any{map[string]any{"value": "v"}}),
		"slack: button 1 has a value of more than 2000 characters": change("buttons", []any{map[string]any{"label": "l", "value": strings.Repeat("v", 2001)}}),
	} {
		v, err := g.Handle(t, outbound(), payload)
		require.NoError(t, err)
		require.Equal(t, abi.Verdict{Status: abi.StatusReject, Reason: reason}, v)
	}
	m := outbound()
	m.MaybeDelivered = true
	v, err := g.Handle(t, m, message("hello"))
	require.NoError(t, err)
	require.Equal(t, abi.Verdict{Status: abi.StatusReject, Reason: "slack: may have been delivered already"}, v)
	require.Empty(t, s.posts)
}
