package main

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/split"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"**bold** and *it* and _it_":               "<strong>bold</strong> and <em>it</em> and <em>it</em>",
		"**bold *and* more**":                      "<strong>bold <em>and</em> more</strong>",
		"snake_case_name and `a_b_c`":              "snake_case_name and <code>a_b_c</code>",
		"2 * 3 * 4 `x`":                            "2 * 3 * 4 <code>x</code>",
		"`a < b && \"c\"`":                         "<code>a &lt; b &amp;&amp; &#34;c&#34;</code>",
		"``a ` b``":                                "<code>a ` b</code>",
		"[a*b*](https://a.example/?q=1&r=\"2)":     "[a<em>b</em>](https://a.example/?q=1&amp;r=&#34;2)",
		"[a](https://a.example/?q=1&r=2)!":         `<a href="https://a.example/?q=1&amp;r=2">a</a>!`,
		"[x](javascript:alert(1)) **b**":           "[x](javascript:alert(1)) <strong>b</strong>",
		"_a_b_ and *c*":                            "<em>a_b</em> and <em>c</em>",
		"one\n**two**":                             "one<br><strong>two</strong>",
		"see:\n```go\nif a < b {\n}\n```\nthat is": `see:<pre><code class="language-go">if a &lt; b {` + "\n}</code></pre>that is",
		"```\nno language\n```":                    "<pre><code>no language</code></pre>",
		"```\"><script>\nx```":                     "<pre><code>&#34;&gt;&lt;script&gt;\nx</code></pre>",
		"````\n```\n````":                          "<pre><code>```</code></pre>",
		"<b>**x**</b>":                             "&lt;b&gt;<strong>x</strong>&lt;/b&gt;",
		"**<img src=x onerror=alert(1)>**":         "<strong>&lt;img src=x onerror=alert(1)&gt;</strong>",
	} {
		got, marked := format(text)
		require.True(t, marked, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"plain", "a * b", "** x **", "``` open", "[a](b)", "5 < 6 & \"7\"", "*", "**", "`", "a\nb", "_a_b", "___"} {
		_, marked := format(text)
		require.False(t, marked, text)
	}
}

var tag = regexp.MustCompile(`</?(?:strong|em|code|pre|br|a)>|<a href="https?://[^"<>]*">|<code class="language-[\pL\pN_+.#-]+">`)

// FuzzFormat holds that nothing of a text becomes markup but the tags above, well nested.
func FuzzFormat(f *testing.F) {
	f.Add("**a** _b_ `c` [d](https://e) ```f\ng```\n<h>")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		got, _ := format(text)
		var open []string
		for _, found := range tag.FindAllString(got, -1) {
			name := strings.Trim(strings.Fields(found)[0], "<>")
			switch {
			case name == "br":
			case name[0] == '/' && (len(open) == 0 || open[len(open)-1] != name[1:]):
				t.Fatalf("%q: %s closes nothing", got, found)
			case name[0] == '/':
				open = open[:len(open)-1]
			default:
				open = append(open, name)
			}
		}
		if len(open) > 0 {
			t.Fatalf("%q: open: %v", got, open)
		}
		bare := tag.ReplaceAllString(got, "")
		if strings.ContainsAny(bare, "<>\"") || strings.Count(html.UnescapeString(bare), "<") > strings.Count(text, "<") {
			t.Fatalf("%q has other markup: %q", text, got)
		}
	})
}

// Whatever a long text is made of, each of its parts fits an event with room for what the homeserver adds.
func TestPartsFitTheirEvents(t *testing.T) {
	t.Parallel()
	settings := defaults()
	for _, unit := range []string{
		"a", "é", "😀", "\x00", "\"", "\\", "&", "<", "\n", "`", "`x`", "```", "```x", "```go\nx\n```\n", "````````x\n", "*a*", "**a**", "_a_ ", "[a](http://b)", "<b>&amp;</b>\n\n",
	} {
		parts := split.Text(strings.Repeat(unit, 150_000/len(unit)), maxText, cost)
		for _, part := range parts {
			doc, err := sgs.AppendJSON(nil, settings.text(part))
			require.NoError(t, err)
			require.Less(t, len(doc), 60_000, unit)
		}
		require.Less(t, len(parts), 40, unit)
	}
}
