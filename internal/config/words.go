package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// What is said of a table whose name can't be a plugin's, or a secret's.
const (
	badPlugin = `can't be a plugin; name it after its file, with 1 to 64 letters, digits, "_" and "-"`
	badSecret = `can't be a secret; name it with 1 to 64 letters, digits, "_" and "-"`
)

// badName says what is wrong with the first name in the path that the operator chose and that does not look as it must;
// it is empty if there is none.
func (l *loader) badName(path []string) string {
	for i, key := range path {
		parent, _ := l.schema.find(path[:i])
		if parent.fields[key] == nil && parent.names != nil && !parent.names.MatchString(key) {
			return parent.badName
		}
	}
	return ""
}

// remedy proposes a key in the place of one that is unknown or a table.
func (l *loader) remedy(path []string, write func([]string) string) string {
	if near := l.nearest(path, write); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	parent, depth := l.schema.find(path)
	keys := strings.Join(slices.Sorted(maps.Keys(parent.fields)), ", ")
	switch {
	case depth == 0:
		return "the tables are " + keys
	case keys == "":
		return fmt.Sprintf("set one key of it, such as %s", write(append(slices.Clone(path), "name")))
	}
	return fmt.Sprintf("the keys of %s are %s", write(path[:depth]), keys)
}

// nearest returns the known key that is spelt most like the path. It returns "" if none is spelt much
// like it, or the path is known itself.
func (l *loader) nearest(path []string, write func([]string) string) string {
	last := path[len(path)-1]
	parent, depth := l.schema.find(path[:len(path)-1])
	if parent.fields[last] != nil {
		return ""
	}
	known := l.schema.paths()
	for key := range parent.fields { // these may lie below a name that the operator chose
		known = append(known, append(slices.Clone(path[:depth]), key))
	}
	slices.SortFunc(known, slices.Compare)
	nearest, least := "", 2+len(last)/4
	for _, k := range known {
		d := levenshtein.ComputeDistance(strings.Join(path, "."), strings.Join(k, "."))
		if d < least {
			nearest, least = write(k), d
		}
	}
	return nearest
}

// describe says what a TOML value is. A secret can be anywhere where a mistake can, so that what is
// inside lists and tables is never shown, and nothing at all with hide.
func describe(v any, hide bool) string {
	what, shown := "a date or time", ""
	switch v := v.(type) {
	case string:
		what, shown = "text", quoted(v)
	case int64:
		what, shown = "a whole number", strconv.FormatInt(v, 10)
	case float64:
		what, shown = "a fractional number", strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		what, shown = "a truth value", strconv.FormatBool(v)
	case []any:
		return describeList(v)
	case map[string]any:
		what = "a table"
	}
	if hide || shown == "" {
		return what
	}
	return fmt.Sprintf("%s (%s)", what, shown)
}

func describeList(items []any) string {
	for i, item := range items {
		if _, ok := item.(string); !ok {
			return fmt.Sprintf("a list whose item %d is %s", i+1, describe(item, true))
		}
	}
	return "a list"
}

// dotted spells a key as TOML does.
func dotted(path []string) string {
	bare := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	keys := slices.Clone(path)
	for i, key := range keys {
		if !bare.MatchString(key) {
			keys[i] = strconv.Quote(key)
		}
	}
	return strings.Join(keys, ".")
}

// variable spells a key as the environment variable that sets it.
func variable(path []string) string {
	return envPrefix + strings.ToUpper(strings.Join(path, "__"))
}

func quoted(s string) string { return strconv.Quote(shorten(s)) }

// shorten cuts what an error would repeat of a long value.
func shorten(s string) string {
	const most = 60
	if runes := []rune(hidePasswords(s)); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return hidePasswords(s)
}

// oneSafeLine makes sure that an error is one line, and that it holds no password of a URL.
func oneSafeLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, hidePasswords(s))
}

// hidePasswords hides who logs in and how, up to the last @: a password may hold one itself.
func hidePasswords(s string) string {
	return regexp.MustCompile(`(?s)://.*@`).ReplaceAllString(s, "://xxxxx@")
}
