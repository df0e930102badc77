package host

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"io"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestFormsOfASecret(t *testing.T) {
	t.Parallel()
	f := formsOf([]*secret{{value: plain}})
	quoted, err := json.Marshal(plain)
	require.NoError(t, err)
	lower := regexp.MustCompile("%..").ReplaceAllStringFunc(url.QueryEscape(plain), strings.ToLower)
	for _, form := range []string{
		plain, strings.ToLower(plain), strings.ToUpper(plain), html.EscapeString(plain), strings.Trim(string(quoted), `"`), url.QueryEscape(plain), url.PathEscape(plain), lower,
		hex.EncodeToString([]byte(plain)), strings.ToUpper(hex.EncodeToString([]byte(plain))),
	} {
		require.Equal(t, "<[redacted]>", f.redact("<"+form+">"), form)
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 6 {
			for after := range 4 {
				text := encoding.EncodeToString([]byte(strings.Repeat("x", before) + plain + strings.Repeat("y", after)))
				hidden := f.redact(text)
				require.Contains(t, hidden, redacted)
				left := strings.Replace(hidden, redacted, "", 1)
				require.LessOrEqual(t, len(left), 8+4*((before+after)/3+1), "%s", hidden)
			}
		}
	}
}

// However the body is cut into pieces, the secret is found, and what is not a part of one is not held back.
func TestRedactingAStream(t *testing.T) {
	t.Parallel()
	f := formsOf([]*secret{{value: "sk-aab12345"}, {value: "sk-aab12345-longer"}, {value: "aab12345678"}})
	for text, want := range map[string]string{
		"":                                     "",
		"nothing":                              "nothing",
		"sk-aab12345":                          redacted,
		"a sk-aab12345 b sk-aab12345 c":        "a " + redacted + " b " + redacted + " c",
		"sk-aab12345-longer":                   redacted,
		"sk-aab12345-longe":                    redacted + "-longe",
		"sk-sk-aab12345":                       "sk-" + redacted,
		"sk-aab1234":                           "sk-aab1234",
		"xaaab12345678":                        "xa" + redacted,
		"sk-aab12345sk-aab12345-longersk-aab1": redacted + redacted + "sk-aab1",
	} {
		for name, reader := range map[string]io.Reader{
			"whole": strings.NewReader(text), "by byte": iotest.OneByteReader(strings.NewReader(text)),
			"by halves": iotest.HalfReader(strings.NewReader(text)), "with the end": iotest.DataErrReader(strings.NewReader(text)),
		} {
			got, err := io.ReadAll(&redactor{forms: f, rooms: &sync.Pool{}, body: reader})
			require.NoError(t, err)
			require.Equal(t, want, string(got), "%s %s", text, name)
			got, err = io.ReadAll(iotest.OneByteReader(&redactor{forms: f, rooms: &sync.Pool{}, body: strings.NewReader(text)}))
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		}
	}
	r, w := io.Pipe()
	body := &redactor{forms: f, rooms: &sync.Pool{}, body: r}
	buf := make([]byte, 100)
	for _, piece := range []string{"data: x\n\n", "data: s", "data: y\n\n"} {
		go func() { _, _ = w.Write([]byte(piece)) }()
		n, err := body.Read(buf)
		require.NoError(t, err)
		require.NotZero(t, n)
	}
	require.NoError(t, w.Close())
}

// A guest that has a body cut where it wants, by its time or the limit, does not get a secret but for its end.
func TestAFailingBodyIsRedactedToItsEnd(t *testing.T) {
	t.Parallel()
	f := formsOf([]*secret{{value: "sk-aab12345"}})
	body := io.MultiReader(strings.NewReader("a sk-aab12345 sk-a"), iotest.ErrReader(io.ErrUnexpectedEOF))
	got, err := io.ReadAll(&redactor{forms: f, rooms: &sync.Pool{}, body: body})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, "a "+redacted+" ", string(got))
}

// What comes out never holds the secret, whatever is around it and however it is cut.
func FuzzRedact(f *testing.F) {
	f.Add([]byte("sk-aab12345"), []byte("a sk-"), []byte("aab12345 b"), uint8(3))
	f.Add([]byte("aaaaaaaa"), []byte("aaaaaaaaaaa"), []byte("aab"), uint8(1))
	f.Fuzz(func(t *testing.T, value, before, after []byte, piece uint8) {
		if len(value) < minSecret || len(value) > 100 || bytes.Contains([]byte(redacted), value) || bytes.ContainsAny(value, "[]") || len(before) > 1000 || len(after) > 1000 {
			return
		}
		fs := formsOf([]*secret{{value: string(value)}})
		text := append(append(append([]byte{}, before...), value...), after...)
		whole := fs.redact(string(text))
		require.NotContains(t, whole, string(value))
		var out []byte
		r := &redactor{forms: fs, rooms: &sync.Pool{}, body: &pieces{text, int(piece) + 1}}
		buf := make([]byte, int(piece)+1)
		for {
			n, err := r.Read(buf)
			out = append(out, buf[:n]...)
			if err != nil {
				require.Equal(t, io.EOF, err)
				break
			}
		}
		require.Equal(t, whole, string(out))
	})
}

// pieces hands out n bytes at a time.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	n := copy(b[:min(len(b), p.n)], p.b)
	p.b = p.b[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
