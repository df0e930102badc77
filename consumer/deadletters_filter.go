package consumer

import (
	"strings"
	"time"
	"unicode"
)

// LetterFilter says which dead letters are meant. What is empty does not matter.
type LetterFilter struct {
	// TraceID and OriginalStream are the letter's, in full.
	TraceID, OriginalStream string
	// Error is a part of the letter's error, or of its ErrorGroup.
	Error string
}

// Matches tells whether the letter is meant.
func (f *LetterFilter) Matches(l *Letter) bool {
	return (f.TraceID == "" || f.TraceID == l.TraceID) &&
		(f.OriginalStream == "" || f.OriginalStream == l.OriginalStream) &&
		(f.Error == "" || strings.Contains(l.Error, f.Error) || strings.Contains(ErrorGroup(l.Error), f.Error))
}

// What stands in an ErrorGroup for numbers and for names that are made up anew each time.
const (
	anyNumber = "<n>"
	anyID     = "<id>"
)

// ErrorHeadline is the line of an error that says most: the last of a Python traceback, else the first.
func ErrorHeadline(text string) string {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "Traceback") {
		text = text[strings.LastIndexByte(text, '\n')+1:]
	}
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(line)
}

// ErrorGroup is what errors of the same kind have in common: the headline, with <n> for numbers and durations, and
// <id> for ids. A group's own group is itself.
func ErrorGroup(text string) string {
	group := ErrorHeadline(text)
	// What is left of a word when a number is taken out of it may be an id by itself.
	for before := ""; group != before; {
		before, group = group, general(group)
	}
	return group
}

// general replaces the words of a line that are ids, and the numbers in the others.
func general(line string) string {
	var group strings.Builder
	for rest := line; rest != ""; {
		n := len(rest) - len(strings.TrimLeftFunc(rest, isWord))
		if n > 0 {
			group.WriteString(generalWord(rest[:n]))
		} else {
			n = len(rest) - len(strings.TrimLeftFunc(rest, func(r rune) bool { return !isWord(r) }))
			group.WriteString(rest[:n])
		}
		rest = rest[n:]
	}
	return oneNumber(group.String())
}

func isWord(r rune) bool {
	return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == '_' || r == '-' || r == 'µ'
}

// oneNumber makes one of what was a decimal, an address, a version or a duration.
func oneNumber(s string) string {
	for _, between := range []string{".", ":", ",", "h", "m"} {
		for two := anyNumber + between + anyNumber; strings.Contains(s, two); {
			s = strings.ReplaceAll(s, two, anyNumber)
		}
	}
	return s
}

// generalWord replaces a word that is an id, or the numbers in it.
func generalWord(w string) string {
	switch {
	case len(w) > len(namePrefix) && strings.HasPrefix(w, namePrefix):
		return namePrefix + anyID
	case !strings.ContainsAny(w, digits):
		return w
	case strings.HasPrefix(w, "0x"):
		return anyNumber
	case isID(w):
		return anyID
	}
	if _, err := time.ParseDuration(w); err == nil {
		return anyNumber
	}
	return generalNumbers(w)
}

const digits = "0123456789"

// isID tells whether a word with digits in it was made up: a stream's id, a UUID or another hexadecimal number, or
// a long mixture of letters and digits.
func isID(w string) bool {
	if id, ok := parseStreamID(w); ok {
		return id.ms >= 1e9
	}
	bare := strings.ReplaceAll(w, "-", "")
	if strings.Trim(bare, digits) == "" {
		return false
	}
	if len(bare) >= 8 && strings.Trim(bare, digits+"abcdefABCDEF") == "" {
		return true
	}
	return len(w) >= 16 && strings.IndexAny(w, digits) != strings.LastIndexAny(w, digits)
}

// generalNumbers replaces numbers, but no digit that stands behind a letter: that is part of a name, such as utf8. A
// letter behind a number is a unit, or the T in a date.
func generalNumbers(w string) string {
	var b strings.Builder
	inName, inNumber := false, false
	for _, r := range w {
		switch {
		case r >= '0' && r <= '9':
			if inName {
				b.WriteRune(r)
			} else if !inNumber {
				b.WriteString(anyNumber)
			}
			inNumber = !inName
			continue
		case r == '-' || r == '_':
			inName = false
		default:
			inName = inName || !inNumber
		}
		inNumber = false
		b.WriteRune(r)
	}
	return b.String()
}
