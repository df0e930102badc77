package app_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every row of the page on security names what holds it, and that is there.
func TestSecurityPageNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	there := declaredTests(t)
	fuzz := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range fuzz.FindAllSubmatch(text, -1) {
			there[string(m[1])] = true
		}
		return err
	}))
	named, file, rows := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`"), regexp.MustCompile("`(\\w+/\\w+\\.go)`"), 0
	text := page(t, "docs/security.md")
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| it can't") || strings.HasPrefix(line, "| ---") {
			continue
		}
		rows++
		require.Regexp(t, named, line, "a row without a test")
	}
	require.Greater(t, rows, 20)
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		require.True(t, there[m[1]], "%s is not there", m[1])
	}
	for _, m := range file.FindAllStringSubmatch(text, -1) {
		_, err := os.Stat(filepath.Join(root, m[1]))
		require.NoError(t, err)
	}
}
