package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// format makes HTML of a little Markdown: code blocks, `code`, **bold**, *italics*, _italics_ and [links](https://…).
// Everything else is text, and escaped. It also tells whether there was any.
func format(text string) (html string, marked bool) {
	f := formatter{}
	f.blocks(text)
	return f.out.String(), f.marked
}

type formatter struct {
	out    strings.Builder
	marked bool
}

// escape writes a text in which nothing is markup. No character of it can end an attribute or begin a tag.
func (f *formatter) escape(text string) {
	plain := 0 // where the text begins that is not written yet
	for i := range len(text) {
		entity := ""
		switch text[i] {
		case '&':
			entity = "&amp;"
		case '<':
			entity = "&lt;"
		case '>':
			entity = "&gt;"
		case '"':
			entity = "&#34;"
		default:
			continue
		}
		f.out.WriteString(text[plain:i])
		f.out.WriteString(entity)
		plain = i + 1
	}
	f.out.WriteString(text[plain:])
}

// blocks writes a text with code blocks in it.
func (f *formatter) blocks(text string) {
	for {
		start := strings.Index(text, "```")
		if start < 0 {
			break
		}
		ticks := text[start : start+run(text[start:])]
		length := strings.Index(text[start+len(ticks):], ticks)
		if length < 0 {
			break
		}
		f.lines(strings.TrimSuffix(text[:start], "\n"))
		code := text[start+len(ticks) : start+len(ticks)+length]
		f.block(code)
		text = strings.TrimPrefix(text[start+len(ticks)+length+run(text[start+len(ticks)+length:]):], "\n")
	}
	f.lines(text)
}

// run is the number of backticks at the text's beginning.
func run(text string) int { return len(text) - len(strings.TrimLeft(text, "`")) }

func (f *formatter) block(code string) {
	f.marked = true
	language, rest, ok := strings.Cut(code, "\n")
	if !ok || strings.ContainsFunc(language, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_+-.#", r)
	}) {
		language, rest = "", code
	}
	f.out.WriteString("<pre><code")
	if language != "" {
		f.out.WriteString(` class="language-` + language + `"`)
	}
	f.out.WriteString(">")
	f.escape(strings.TrimSuffix(rest, "\n"))
	f.out.WriteString("</code></pre>")
}

// lines writes lines without code blocks. Markup does not go beyond its line.
func (f *formatter) lines(text string) {
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			f.out.WriteString("<br>")
		}
		f.inline(line, 0)
	}
}

// maxNesting is how deep bold and italics may be inside of each other; what is deeper is text.
const maxNesting = 4

// inline writes a text of one line.
func (f *formatter) inline(text string, depth int) {
	before := ' '
	for text != "" {
		at := strings.IndexAny(text, "`*_[")
		if at < 0 || depth == maxNesting {
			f.escape(text)
			return
		}
		f.escape(text[:at])
		if at > 0 {
			before, _ = utf8.DecodeLastRuneInString(text[:at])
		}
		n := f.mark(text[at:], before, depth)
		if n == 0 {
			n = max(1, run(text[at:])) // what opens nothing is text, a run of backticks as a whole
			f.escape(text[at : at+n])
		}
		text = text[at+n:]
		before = '*' // of whatever kind
	}
}

// mark writes the markup that the text begins with, and returns its length; 0 if it is none.
func (f *formatter) mark(text string, before rune, depth int) int {
	switch text[0] {
	case '`':
		return f.code(text)
	case '[':
		return f.link(text)
	}
	delimiter, tag := text[:1], "em"
	if strings.HasPrefix(text, "**") {
		delimiter, tag = "**", "strong"
	}
	if delimiter == "_" && isWord(before) {
		return 0 // within_a_word
	}
	inner, ok := enclosed(text[len(delimiter):], delimiter)
	if !ok {
		return 0
	}
	f.marked = true
	f.out.WriteString("<" + tag + ">")
	f.inline(inner, depth+1)
	f.out.WriteString("</" + tag + ">")
	return len(inner) + 2*len(delimiter)
}

// maxClosings is how many closing delimiters are looked at.
const maxClosings = 8

// enclosed returns what stands before the closing delimiter: no white space within it on either side, and no more of
// a word behind a _.
func enclosed(text, delimiter string) (string, bool) {
	from := 0
	for range maxClosings {
		end := strings.Index(text[from:], delimiter)
		if end < 0 {
			return "", false
		}
		end += from
		inner, after := text[:end], text[end+len(delimiter):]
		next, _ := utf8.DecodeRuneInString(after)
		if inner != "" && strings.TrimSpace(inner) == inner && !(delimiter == "_" && isWord(next)) && !(delimiter == "*" && next == '*') {
			return inner, true
		}
		if inner == "" {
			return "", false
		}
		from = end + len(delimiter)
	}
	return "", false
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func (f *formatter) code(text string) int {
	ticks := text[:run(text)]
	inner, _, ok := strings.Cut(text[len(ticks):], ticks)
	if !ok || inner == "" {
		return 0
	}
	f.marked = true
	f.out.WriteString("<code>")
	f.escape(inner)
	f.out.WriteString("</code>")
	return len(inner) + 2*len(ticks)
}

func (f *formatter) link(text string) int {
	label, rest, ok := strings.Cut(text[1:], "](")
	url, _, closed := strings.Cut(rest, ")")
	isURL := strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://")
	if !ok || !closed || label == "" || !isURL || strings.ContainsAny(url, " \t\"<>\\") || strings.Contains(label, "[") {
		return 0
	}
	f.marked = true
	f.out.WriteString(`<a href="`)
	f.escape(url)
	f.out.WriteString(`">`)
	f.escape(label)
	f.out.WriteString("</a>")
	return len("[](") + len(label) + len(url) + len(")")
}
