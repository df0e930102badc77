package host

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// What stands in SecretConfig.Format: the secret itself, or what the request's body is signed with by means of it.
const (
	secretMark    = "{secret}"
	signatureMark = "{hmac-sha256}"
)

// A secret's length in bytes. A shorter one could not be told from other text in a response.
const (
	minSecret = 8
	maxSecret = 16 << 10
)

// SecretConfig is a secret that the host puts into requests, where the plugin asks for it by its id.
type SecretConfig struct {
	// Env is the environment variable that holds the secret. Exactly one of Env and File is set.
	Env string `koanf:"env"`
	// File is the file that holds the secret, and nothing else but a line break at its end.
	File string `koanf:"file"`
	// Header is the header field that the secret goes into; empty for the URL's path, where the plugin writes {<id>}.
	Header string `koanf:"header"`
	// Format is the field's value. Either {secret} in it stands for the secret, or {hmac-sha256} for the HMAC-SHA256 of
	// the request's body under the secret, in lower-case hexadecimal; then the secret itself is not sent.
	Format string `koanf:"format"`
	// Origins are where the secret may go to, as in HTTPConfig. One with http sends it in the clear.
	Origins []string `koanf:"origins"`
}

// DefaultSecret returns the defaults of SecretConfig.
func DefaultSecret() SecretConfig {
	return SecretConfig{Header: "Authorization", Format: "Bearer " + secretMark, Origins: []string{}}
}

// Validate joins an error for every value that can't be; each begins with the value's key. None shows a value that
// could be the secret itself, put into the wrong place.
func (c *SecretConfig) Validate() error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s "+format, append([]any{key}, args...)...))
		}
	}
	check((c.Env == "") != (c.File == ""), "env", "and file: write one of them, where the secret is")
	check(c.Env == "" || regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(c.Env), "env",
		"is not the name of an environment variable; write the name, and not the secret")
	check(c.Header == "" || isToken(c.Header) && !isHostsHeader(c.Header), "header",
		"is %q; write a header field such as \"Authorization\" that is not the connection's, or \"\" for the URL's path", c.Header)
	marks := strings.Count(c.Format, secretMark) + strings.Count(c.Format, signatureMark)
	check(marks == 1 && isHeaderValue(c.Format), "format", `must hold %s or %s once, and be one line of ASCII`, secretMark, signatureMark)
	check(c.Header != "" || !strings.Contains(c.Format, signatureMark), "format",
		"holds %s, and header is empty; write the header field that the signature goes into", signatureMark)
	check(len(c.Origins) > 0, "origins", `is empty; write where the secret may go to, such as "https://api.example.org"`)
	for _, s := range c.Origins {
		_, err := parseOrigin(s)
		check(err == nil, "origins", "%w", err)
	}
	return errors.Join(errs...)
}

// isHeaderValue tells whether s can be the value of a header field that every server takes.
func isHeaderValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// secret is one that was read. Its value leaves this package in a request only.
type secret struct {
	id      string
	value   string
	header  string // empty for the path
	field   string // the header field's value; what signatureMark stands for is not yet in it
	signs   bool   // the header field holds a signature, and not the secret
	origins []origin
}

// loadSecret reads a secret. Its error is one line, for the operator, and does not hold the secret.
func loadSecret(id string, c SecretConfig) (*secret, error) {
	value, from, err := readSecret(c)
	switch {
	case err != nil:
		return nil, err
	case len(value) < minSecret || len(value) > maxSecret:
		return nil, fmt.Errorf("%s holds %d bytes; a secret has %d to %d, so that it can be told from other text", from, len(value), minSecret, maxSecret)
	case !isHeaderValue(value):
		return nil, fmt.Errorf("%s holds a line break or another character that is not printable ASCII", from)
	}
	s := &secret{id: id, value: value, header: http.CanonicalHeaderKey(c.Header), field: c.Format, origins: parseOrigins(c.Origins)}
	if s.signs = strings.Contains(c.Format, signatureMark); !s.signs {
		s.field = strings.Replace(c.Format, secretMark, value, 1)
	}
	return s, nil
}

// readSecret reads the secret's text, and says where from.
func readSecret(c SecretConfig) (value, from string, err error) {
	if c.Env != "" {
		value, ok := os.LookupEnv(c.Env)
		if !ok {
			return "", "", fmt.Errorf("the environment variable %s is not set; set it for the daemon, or remove the table", c.Env)
		}
		return value, "the environment variable " + c.Env, nil
	}
	info, err := os.Stat(c.File)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", c.File)
	}
	if err != nil {
		return "", "", fmt.Errorf("the file can't be read: %w; write the secret there, or remove the table", err)
	}
	f, err := os.Open(c.File)
	if err != nil {
		return "", "", fmt.Errorf("the file can't be read: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+3))
	if err != nil {
		return "", "", fmt.Errorf("the file can't be read: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), "the file " + c.File, nil
}

// mayGoTo tells whether the operator lets the secret go to that origin.
func (s *secret) mayGoTo(o origin) bool { return anyCovers(s.origins, o) }

// put adds the secret, or the signature of the body that is about to be sent, to a request of its own.
func (s *secret) put(r *http.Request) error {
	if s.signs {
		signature, err := s.sign(r)
		if err != nil {
			return fmt.Errorf("signing the request's body with the secret %s: %w", s.id, err)
		}
		r.Header.Set(s.header, strings.Replace(s.field, signatureMark, signature, 1))
		return nil
	}
	if s.header != "" {
		r.Header.Set(s.header, s.field)
		return nil
	}
	escaped := escapeRest(rawPath(r.URL))
	for _, mark := range s.marks() {
		escaped = strings.ReplaceAll(escaped, mark, url.PathEscape(s.value))
	}
	if path, err := url.PathUnescape(escaped); err == nil {
		r.URL.Path, r.URL.RawPath = path, escaped
	}
	return nil
}

// sign returns the HMAC-SHA256 of the request's body in hexadecimal. A redirect may have taken the body away: then it
// is that of nothing.
func (s *secret) sign(r *http.Request) (string, error) {
	mac := hmac.New(sha256.New, []byte(s.value))
	if r.Body != nil {
		body, err := r.GetBody()
		if err != nil {
			return "", err
		}
		if _, err := io.Copy(mac, body); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// escapeRest escapes what can't stand in a path. What is escaped already stays: a path that holds anything else would be
// escaped anew, and the secret with it in another spelling.
func escapeRest(path string) string {
	var b strings.Builder
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// rawPath is the path as the guest has written it. EscapedPath would not keep what is escaped beside a brace.
func rawPath(u *url.URL) string { return cmp.Or(u.RawPath, u.EscapedPath()) }

// marks are what stands for the secret in an escaped path.
func (s *secret) marks() []string {
	return []string{"{" + s.id + "}", "%7B" + s.id + "%7D", "%7b" + s.id + "%7d"}
}

// isAskedFor tells whether the request has a place for the secret.
func (s *secret) isAskedFor(r *http.Request) bool {
	path := rawPath(r.URL)
	return s.header != "" || slices.ContainsFunc(s.marks(), func(mark string) bool { return strings.Contains(path, mark) })
}
