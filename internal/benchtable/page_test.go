package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// benchmarksOf are the benchmarks of all packages, named as in the table.
func benchmarksOf(t *testing.T) (names []string) {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func Benchmark(\w+)\(`)
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && slices.Contains([]string{"build", "node_modules", "target", ".git"}, entry.Name()) {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		source, err := os.ReadFile(file)
		for _, found := range declared.FindAllSubmatch(source, -1) {
			names = append(names, path.Base(filepath.ToSlash(filepath.Dir(file)))+"."+string(found[1]))
		}
		return err
	}))
	return names
}

// The page's table is written by hand, with make bench, and must not be forgotten where benchmarks come and go.
func TestThePagesTableHasTheBenchmarksThatThereAre(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "performance.md"))
	require.NoError(t, err)
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([\\w-]+\\.\\w+)").FindAllSubmatch(page, -1) {
		rows = append(rows, string(row[1]))
	}
	slices.Sort(rows)
	require.ElementsMatch(t, benchmarksOf(t), slices.Compact(rows))
}
