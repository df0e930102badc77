package split

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestCutsWhereAReaderWould(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text  string
		limit int
		want  []string
	}{
		"what fits is left alone":          {" hello \n", 8, []string{" hello \n"}},
		"nothing":                          {"", 8, nil},
		"white space":                      {" \n\t ", 2, nil},
		"paragraphs before lines":          {"one two\n\nthree\nfour five", 18, []string{"one two\n\nthree", "four five"}},
		"paragraphs":                       {"one two three\n\nfour\nfive six", 22, []string{"one two three", "four\nfive six"}},
		"lines before sentences":           {"One two three.\nFour. Five six", 22, []string{"One two three.", "Four. Five six"}},
		"sentences before words":           {"It is so. And he said \"yes.\" And then", 32, []string{"It is so. And he said \"yes.\"", "And then"}},
		"words":                            {"aaaa bbbb cccc", 10, []string{"aaaa bbbb", "cccc"}},
		"a word in the first half":         {"a bbbbbbbbbbbbbbbbbbbbbbbb", 24, []string{"a", "bbbbbbbbbbbbbbbbbbbbbbbb"}},
		"a word that is too long":          {"abcdefghij", 4, []string{"abcd", "efgh", "ij"}},
		"white space right at the limit":   {"aaaa bbbb", 4, []string{"aaaa", "bbbb"}},
		"indentation is kept":              {"- one one\n  - two three", 15, []string{"- one one", "  - two three"}},
		"a script without spaces":          {"これは文です。これも文です。", 10, []string{"これは文です。", "これも文です。"}},
		"surrogate pairs":                  {"😀😀😀", 5, []string{"😀😀", "😀"}},
		"an accent of its own":             {"aaae\u0301bb", 4, []string{"aaa", "e\u0301bb"}},
		"a family":                         {"ab👩\u200d👩\u200d👧", 8, []string{"ab", "👩\u200d👩\u200d👧"}},
		"what is not UTF-8":                {"a\xffb", 9, []string{"a\uFFFDb"}},
		"inline code is not a block":       {"use `a` and ``b`` now", 12, []string{"use `a` and", "``b`` now"}},
		"a block is not torn from its end": {"text text\n```\ncode\n```\nmore", 24, []string{"text text\n```\ncode\n```", "more"}},
		"before a block":                   {"text text text\n```go\nsome code\n```", 26, []string{"text text text", "```go\nsome code\n```"}},
	} {
		if diff := cmp.Diff(test.want, Text(test.text, test.limit, UTF16)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A block that is cut is closed, and opened again in its language; so every part can be read alone.
func TestClosesAndReopensCodeBlocks(t *testing.T) {
	t.Parallel()
	code := strings.Repeat("\tif x { return y }\n", 20)
	parts := Text("Look:\n\n```go\n"+code+"```\nThat is all of it.", 120, UTF16)
	var lines []string
	for i, part := range parts {
		if cost(part) > 120 {
			t.Errorf("part %d costs %d", i, cost(part))
		}
		if strings.Count(part, "```")%2 != 0 {
			t.Errorf("part %d has an open block:\n%s", i, part)
		}
		for line := range strings.SplitSeq(part, "\n") {
			if strings.HasPrefix(line, "\tif") {
				lines = append(lines, line)
			}
		}
		if i > 1 && i < len(parts)-1 && !strings.HasPrefix(part, "```go\n\tif") {
			t.Errorf("part %d begins with %.20q", i, part)
		}
	}
	if got := strings.Join(lines, "\n") + "\n"; got != code {
		t.Errorf("the code has changed: %s", cmp.Diff(code, got))
	}
	if last := parts[len(parts)-1]; last != "That is all of it." {
		t.Errorf("the last part is %q", last)
	}
}

// A block is never cut behind its first line, which would leave nothing in it.
func TestABlockHasSomethingInIt(t *testing.T) {
	t.Parallel()
	got := Text("```go\n"+strings.Repeat("x", 150), 110, UTF16)
	if len(got) != 2 || !strings.HasPrefix(got[0], "```go\nxxx") || !strings.HasPrefix(got[1], "```go\nxxx") {
		t.Errorf("%q", got)
	}
}

// A block that ends right where it is cut is not opened again for nothing.
func TestABlockThatEndsAtTheCut(t *testing.T) {
	t.Parallel()
	got := Text("````\n"+strings.Repeat("x", 90)+"\n````\n"+strings.Repeat("y", 90), 110, UTF16)
	if diff := cmp.Diff([]string{"````\n" + strings.Repeat("x", 90) + "\n````", strings.Repeat("y", 90)}, got); diff != "" {
		t.Error(diff)
	}
}

func cost(text string) int { return len(utf16.Encode([]rune(text))) }

// FuzzText holds what is promised of any text: no part is too long, all is text, and nothing but white space and the
// backticks of a block that ends at a cut is left out.
func FuzzText(f *testing.F) {
	f.Add("one two\n\nthree ```go\nfour\n``` five", 0)
	f.Add(strings.Repeat("````````x\n", 40), 7)
	f.Add(strings.Repeat("a\u0301\u200d👩🇩🇪", 60), 3)
	f.Add("```"+strings.Repeat("x", 300)+"\n\n\n```"+strings.Repeat(" y", 200), 1)
	f.Fuzz(func(t *testing.T, text string, more int) {
		limit := 100 + max(0, more)%200
		pieces := splitter{limit, UTF16}.pieces(text)
		var got strings.Builder
		for i, p := range pieces {
			whole := p.open + p.body + p.close
			if cost(whole) > limit || !utf8.ValidString(whole) || strings.TrimSpace(whole) == "" {
				t.Fatalf("part %d of %d costs %d of %d: %q", i, len(pieces), cost(whole), limit, whole)
			}
			got.WriteString(p.body)
		}
		if want := bare(strings.ToValidUTF8(text, "\uFFFD")); bare(got.String()) != want {
			t.Fatalf("%q became %q", want, bare(got.String()))
		}
	})
}

// bare leaves out white space and backticks.
func bare(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '`' {
			return -1
		}
		return r
	}, text)
}
