package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.toml")
	require.NoError(f, err)
	for _, file := range append(files, "../../config.toml") {
		doc, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(doc)
	}
	f.Add([]byte("[plugins.a.config]\n'b.c' = [1, {d = nan}, 1979-05-27T07:32:00Z, 07:32:00]\n"))
	path := filepath.Join(f.TempDir(), "config.toml")
	f.Fuzz(func(t *testing.T, doc []byte) {
		require.NoError(t, os.WriteFile(path, doc, 0o600))
		c, err := Load(Source{File: path})
		if err != nil {
			requireClearLines(t, path, err)
			return
		}
		l := loader{schema: newSchema()}
		l.validate(&c)
		require.Empty(t, l.errs, "an impossible value got through")
		_, err = c.TOML()
		require.NoError(t, err)
	})
}

// requireClearLines checks that each mistake is one line that begins with the file.
func requireClearLines(t *testing.T, path string, err error) {
	t.Helper()
	joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err)
	require.True(t, ok, "%v", err)
	for _, mistake := range joined.Unwrap() {
		require.True(t, strings.HasPrefix(mistake.Error(), path+":"), "%v", mistake)
		require.NotContains(t, mistake.Error(), "\n")
	}
}
