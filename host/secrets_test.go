package host

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// secretFile is a file that holds the text.
func secretFile(t testing.TB, text string) string {
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// withSecret gives the plugin a secret for the Authorization header.
func withSecret(t testing.TB, id, value string, origins ...string) func(*PluginConfig) {
	s := DefaultSecret()
	s.File, s.Origins = secretFile(t, value+"\n"), origins
	return withSecretConfig(id, s)
}

func withSecretConfig(id string, s SecretConfig) func(*PluginConfig) {
	return func(c *PluginConfig) {
		if c.Secrets == nil {
			c.Secrets = map[string]SecretConfig{}
		}
		c.Secrets[id] = s
	}
}

const sesame = `sk-"öpen/+?&=~sesame` // not ASCII: see plain

// plain is a secret with characters that encodings spell otherwise.
var plain = strings.ReplaceAll(sesame, "ö", "o")

// The server gets the secret, and the guest gets what the server echoes without it.
func TestASecretReachesTheServerAndNobodyElse(t *testing.T) {
	t.Parallel()
	got := make(chan string, 10)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization")
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		w.Header().Set("X-"+hex.EncodeToString([]byte(plain)), "x")
		fmt.Fprintf(w, "you sent %s, %s, %s", r.Header.Get("Authorization"), url.QueryEscape(plain),
			base64.StdEncoding.EncodeToString([]byte(`{"auth":"Bearer `+plain+`"}`)))
	})
	b := newBench(t, "")
	p := b.start(t, "http", withServer(s), withSecret(t, "key", plain, s.URL))
	a := newProgram().open(object{"url": s.URL, "secrets": []string{"key"}}).headOf(nth(0)).drain(nth(0)).ask(t, p)
	a.handle()
	require.Equal(t, "Bearer "+plain, <-got)
	h := a.head()
	require.Equal(t, []string{"Bearer [redacted]"}, h.Headers["x-echo"])
	require.Contains(t, h.Headers, "x-[redacted]")
	body, errno := a.body()
	require.Equal(t, abi.ErrnoOK, errno)
	require.Regexp(t, `^you sent Bearer \[redacted\], \[redacted\], [A-Za-z0-9+/]+\[redacted\][A-Za-z0-9+/=]+$`, body)

	// A request that does not name it goes without, and its response is looked at all the same.
	a = newProgram().open(object{"url": s.URL}).drain(nth(0)).ask(t, p)
	a.handle()
	require.Empty(t, <-got)
	body, _ = a.body()
	require.NotContains(t, body, url.QueryEscape(plain))
	for _, e := range b.logs.all() {
		require.NotContains(t, fmt.Sprint(e), plain)
	}
}

func TestASecretInThePath(t *testing.T) {
	t.Parallel()
	got := make(chan string, 10)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.URL.EscapedPath()
		fmt.Fprint(w, "404: "+r.URL.Path)
	})
	c := DefaultSecret()
	c.File, c.Origins, c.Header = secretFile(t, "12345:AbC-/ef"), []string{s.URL}, ""
	p := newBench(t, "").start(t, "http", withServer(s), withSecretConfig("token", c))
	a := newProgram().open(object{"url": s.URL + "/bot{token}/a%2Fb", "secrets": []string{"token"}}).headOf(nth(0)).drain(nth(0)).ask(t, p)
	a.handle()
	require.Equal(t, "/bot12345:AbC-%2Fef/a%2Fb", <-got)
	require.Equal(t, s.URL+"/bot[redacted]/a%2Fb", a.head().URL)
	body, _ := a.body()
	require.Equal(t, "404: /bot[redacted]/a/b", body)

	// Beside what has to be escaped, the secret's own slash is escaped, too, and it is one name in the path.
	a = newProgram().open(object{"url": s.URL + "/bot{token}/{x}é/a%2Fb", "secrets": []string{"token"}}).headOf(nth(0)).drain(nth(0)).ask(t, p)
	a.handle()
	require.Equal(t, "/bot12345:AbC-%2Fef/%7Bx%7D%C3%A9/a%2Fb", <-got)
	require.Equal(t, s.URL+"/bot[redacted]/%7Bx%7D%C3%A9/a%2Fb", a.head().URL)

	a = newProgram().open(object{"url": s.URL + "/bot/x", "secrets": []string{"token"}}).headOf(0).ask(t, p)
	a.errno(abi.ErrnoInvalid)
	require.Equal(t, "the URL's path does not hold {token}, which stands for the secret", a.text())
}

// At a server of its own choice a plugin does not learn how a secret begins: nothing is held back there.
func TestOnlyServersOfASecretsOriginsAreRedacted(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, plain[:8])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	p := newBench(t, "").start(t, "http", withServer(s), withSecret(t, "key", plain, "https://elsewhere.example"))
	a := newProgram().open(object{"url": s.URL}).step(2, nth(0), stateBuffer, 100, 0, 0).ask(t, p)
	a.handle()
	require.EqualValues(t, 8, a.number())
}

// A server can hand the secret on in a redirect, to one that is not to have it. The guest does not get it from there.
func TestASecretInARedirectIsRedacted(t *testing.T) {
	t.Parallel()
	second := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Query().Get("auth")) })
	first := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, second.URL+"/?auth="+url.QueryEscape(r.Header.Get("Authorization")), http.StatusFound)
	})
	p := newBench(t, "").start(t, "http", withServer(first, second), withSecret(t, "key", plain, first.URL),
		withHTTP(func(c *HTTPConfig) { c.Redirects = 1 }))
	a := newProgram().open(object{"url": first.URL, "secrets": []string{"key"}}).headOf(nth(0)).drain(nth(0)).ask(t, p)
	a.handle()
	require.Equal(t, second.URL+"/?auth=Bearer+[redacted]", a.head().URL)
	body, _ := a.body()
	require.Equal(t, "Bearer [redacted]", body)
}

// A redirect that leads elsewhere and back does not act in the secret's name.
func TestASecretDoesNotComeBackFromElsewhere(t *testing.T) {
	t.Parallel()
	got := make(chan string, 10)
	var first *httptest.Server
	second := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, first.URL+"/delete", http.StatusFound)
	})
	first = serve(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.URL.Path + " " + r.Header.Get("Authorization")
		switch r.URL.Path {
		case "/":
			http.Redirect(w, r, "/again", http.StatusFound)
		case "/again":
			http.Redirect(w, r, second.URL, http.StatusFound)
		}
	})
	p := newBench(t, "").start(t, "http", withServer(first, second), withSecret(t, "key", plain, first.URL),
		withHTTP(func(c *HTTPConfig) { c.Redirects = 5 }))
	a := newProgram().open(object{"url": first.URL, "secrets": []string{"key"}}).headOf(nth(0)).ask(t, p)
	a.handle()
	require.Equal(t, first.URL+"/delete", a.head().URL)
	require.Equal(t, "/ Bearer "+plain, <-got)
	require.Equal(t, "/again Bearer "+plain, <-got)
	require.Equal(t, "/delete ", <-got)
}

func TestASecretGoesWhereItMay(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	p := newBench(t, "").start(t, "http", withServer(s), withSecret(t, "key", plain, "https://127.0.0.1:"+portOf(t, s)),
		withSecret(t, "own", plain, s.URL))
	for _, tt := range []struct {
		ask   object
		errno abi.Errno
		text  string
	}{
		{object{"secrets": []string{"key"}}, abi.ErrnoDenied, s.URL + " is not in plugins.p.secrets.key.origins"}, // https is another origin
		{object{"secrets": []string{"own", "own"}}, abi.ErrnoInvalid, "the secret own is named twice, or its header field Authorization is set by something else, too"},
		{object{"secrets": []string{"own"}, "headers": object{"authorization": "x"}}, abi.ErrnoInvalid, "is set by something else, too"},
	} {
		tt.ask["url"] = s.URL
		a := newProgram().open(tt.ask).headOf(0).ask(t, p)
		a.errno(tt.errno)
		require.Contains(t, a.text(), tt.text)
	}
}

func TestSecretsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "none")
	for name, tt := range map[string]struct {
		change func(*SecretConfig)
		line   string
	}{
		"no variable":     {func(c *SecretConfig) { c.Env = "SGSTREAMD_TEST_NO_SUCH" }, "the environment variable SGSTREAMD_TEST_NO_SUCH is not set; set it for the daemon, or remove the table"},
		"no file":         {func(c *SecretConfig) { c.File = missing }, "the file can't be read: stat " + missing + ": no such file or directory; write the secret there, or remove the table"},
		"a folder":        {func(c *SecretConfig) { c.File = "/" }, "the file can't be read: / is not a regular file; write the secret there, or remove the table"},
		"an empty file":   {func(c *SecretConfig) { c.File = secretFile(t, "\n") }, " holds 0 bytes; a secret has 8 to 16384, so that it can be told from other text"},
		"a large file":    {func(c *SecretConfig) { c.File = secretFile(t, strings.Repeat("x", maxSecret+1)) }, " bytes; a secret has 8 to 16384, so that it can be told from other text"},
		"two lines":       {func(c *SecretConfig) { c.File = secretFile(t, "12345678\n12345678\n") }, " holds a line break or another character that is not printable ASCII"},
		"not ASCII":       {func(c *SecretConfig) { c.File = secretFile(t, sesame) }, " holds a line break or another character that is not printable ASCII"},
		"none of both":    {func(c *SecretConfig) {}, "plugins.p.secrets.key.env and file: write one of them, where the secret is"},
		"the secret":      {func(c *SecretConfig) { c.Env = plain }, "plugins.p.secrets.key.env is not the name of an environment variable; write the name, and not the secret"},
		"a bad header":    {func(c *SecretConfig) { c.Env, c.Header = "X", "Host" }, `plugins.p.secrets.key.header is "Host"; write a header field such as "Authorization" that is not the connection's, or "" for the URL's path`},
		"a bare format":   {func(c *SecretConfig) { c.Env, c.Format = "X", "Bearer" }, "plugins.p.secrets.key.format must hold {secret} or {hmac-sha256} once, and be one line of ASCII"},
		"two signatures":  {func(c *SecretConfig) { c.Env, c.Format = "X", "{hmac-sha256}{hmac-sha256}" }, "plugins.p.secrets.key.format must hold {secret} or {hmac-sha256} once, and be one line of ASCII"},
		"both marks":      {func(c *SecretConfig) { c.Env, c.Format = "X", "{secret}:{hmac-sha256}" }, "plugins.p.secrets.key.format must hold {secret} or {hmac-sha256} once, and be one line of ASCII"},
		"a signed path":   {func(c *SecretConfig) { c.Env, c.Format, c.Header = "X", "{hmac-sha256}", "" }, "plugins.p.secrets.key.format holds {hmac-sha256}, and header is empty; write the header field that the signature goes into"},
		"for nobody":      {func(c *SecretConfig) { c.Env, c.Origins = "X", nil }, `plugins.p.secrets.key.origins is empty; write where the secret may go to, such as "https://api.example.org"`},
		"for a bare host": {func(c *SecretConfig) { c.Env, c.Origins = "X", []string{"h.example"} }, `plugins.p.secrets.key.origins holds "h.example"; write a scheme and a host, such as "https://api.example.org" or "https://*.example.org"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := DefaultSecret()
			c.Origins = []string{"https://h.example"}
			tt.change(&c)
			_, err := newBench(t, "").load("http", withSecretConfig("key", c))
			require.ErrorContains(t, err, tt.line)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "12345678")
			require.NotContains(t, err.Error(), plain)
		})
	}
}

func TestASecretOfTheEnvironment(t *testing.T) {
	t.Setenv("SGSTREAMD_TEST_SECRET", plain)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("X-Api-Key") == "key="+plain)
	})
	p := newBench(t, "").start(t, "http", withServer(s), withSecretConfig("key", SecretConfig{
		Env: "SGSTREAMD_TEST_SECRET", Header: "x-api-key", Format: "key={secret}", Origins: []string{s.URL},
	}))
	a := newProgram().open(object{"url": s.URL, "secrets": []string{"key"}}).drain(nth(0)).ask(t, p)
	a.handle()
	body, _ := a.body()
	require.Equal(t, "true", body)
}

// signed gives the plugin a secret that signs bodies as GitHub's webhooks are signed.
func signed(t testing.TB, id, value string, origins ...string) func(*PluginConfig) {
	c := DefaultSecret()
	c.File, c.Header, c.Format, c.Origins = secretFile(t, value+"\n"), "X-Hub-Signature-256", "sha256={hmac-sha256}", origins
	return withSecretConfig(id, c)
}

// The server can tell by the signature who has sent the body, and the secret itself goes nowhere. The values are those of
// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries.
func TestASecretSignsTheBody(t *testing.T) {
	t.Parallel()
	const key, body, signature = "It's a Secret to Everybody", "Hello, World!",
		"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	got := make(chan *http.Request, 10)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(b))
		got <- r
		fmt.Fprint(w, r.Header.Get("X-Hub-Signature-256"), " ", key)
	})
	p := newBench(t, "").start(t, "http", withServer(s), signed(t, "key", key, s.URL), withSecret(t, "other", plain, s.URL))
	a := newProgram().open(object{"method": "POST", "url": s.URL, "body": body, "secrets": []string{"key", "other"}}).drain(nth(0)).ask(t, p)
	a.handle()
	r := <-got
	sent, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, body, string(sent))
	require.Equal(t, signature, r.Header.Get("X-Hub-Signature-256"))
	require.Equal(t, "Bearer "+plain, r.Header.Get("Authorization"), "a signature goes beside a secret in another field")
	require.NotContains(t, fmt.Sprint(r.Header, r.URL), key)
	answered, _ := a.body()
	require.Equal(t, signature+" [redacted]", answered, "the secret is looked for in what its servers answer, and the signature is none")

	// Two bodies have two signatures, and no body that of nothing.
	for body, want := range map[string]string{
		"":        hmacOf(key, ""),
		"\x00ü\n": hmacOf(key, "\x00ü\n"),
	} {
		newProgram().open(object{"method": "POST", "url": s.URL, "body": body, "secrets": []string{"key"}}).drain(nth(0)).ask(t, p).handle()
		require.Equal(t, "sha256="+want, (<-got).Header.Get("X-Hub-Signature-256"))
	}

	// A plugin can't set the field itself where the host is to.
	a = newProgram().open(object{"url": s.URL, "secrets": []string{"key"}, "headers": object{"x-hub-signature-256": "mine"}}).headOf(0).ask(t, p)
	a.errno(abi.ErrnoInvalid)
}

func hmacOf(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// What is signed is what is sent: a redirect of the status 307 sends the body again, and one of 303 sends none.
func TestWhatARedirectSendsIsSigned(t *testing.T) {
	t.Parallel()
	type hop struct{ method, body, signature string }
	got := make(chan hop, 10)
	elsewhere := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got <- hop{signature: r.Header.Get("X-Hub-Signature-256")}
	})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- hop{r.Method, string(body), r.Header.Get("X-Hub-Signature-256")}
		switch r.URL.Path {
		case "/307":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		case "/303":
			http.Redirect(w, r, "/end", http.StatusSeeOther)
		case "/elsewhere":
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}
	})
	p := newBench(t, "").start(t, "http", withServer(s, elsewhere), signed(t, "key", plain, s.URL),
		withHTTP(func(c *HTTPConfig) { c.Redirects = 1 }))
	full := hop{"POST", "body", "sha256=" + hmacOf(plain, "body")}
	for path, second := range map[string]hop{
		"/307":       full,
		"/303":       {"GET", "", "sha256=" + hmacOf(plain, "")},
		"/elsewhere": {},
	} {
		a := newProgram().open(object{"method": "POST", "url": s.URL + path, "body": "body", "secrets": []string{"key"}}).drain(nth(0)).ask(t, p)
		a.handle()
		_, errno := a.body()
		require.Equal(t, abi.ErrnoOK, errno)
		require.Equal(t, full, <-got)
		require.Equal(t, second, <-got, path)
	}
}
