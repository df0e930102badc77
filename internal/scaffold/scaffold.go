// Package scaffold makes the folder of a new plugin: one that builds and passes its own test at once, without a network.
package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sgstreamd/sgstreamd"
	"github.com/sgstreamd/sgstreamd/abi"
)

// templates has a folder for each kind, and one for each language with those of the kinds in it. In a file, @NAME@ is
// the plugin's name; its own name has the ending .tmpl besides.
//
//go:embed all:templates
var templates embed.FS

// ending is that of a template's name.
const ending = ".tmpl"

// language is what is special to one.
type language struct {
	source string            // the file that an author begins with
	needs  string            // what has to be installed, for the README
	sdk    map[string]string // folders of sgstreamd.SDKs, and where they go below sdk/
	more   map[string]string // further files below sdk/
}

// assemblyScript is the version that the SDK is written for.
const assemblyScript = "0.28.20"

func languages() map[string]language {
	return map[string]language{
		"go": {
			"main.go", " It takes Go 1.26.", map[string]string{"abi": "abi", "plugins/sdk/go": "plugins/sdk/go"},
			map[string]string{"go.mod": "module github.com/sgstreamd/sgstreamd\n\ngo 1.26\n"},
		},
		"rust": {
			"src/lib.rs", " It takes Rust 1.63 with the target wasm32-unknown-unknown.",
			map[string]string{"plugins/sdk/rust": "."}, nil,
		},
		"c": {
			"src/main.c", " It takes clang with WASI's C library.", map[string]string{"plugins/sdk/c": "."}, nil,
		},
		"zig": {
			"src/main.zig", " It takes Zig 0.16.", map[string]string{"plugins/sdk/zig": "."}, nil,
		},
		"assemblyscript": {
			"assembly/index.ts", " It takes AssemblyScript: `npm install` in this folder.",
			map[string]string{"plugins/sdk/assemblyscript/sgstreamd": "sgstreamd"}, nil,
		},
	}
}

// Languages are the names of the languages, in the order in which they are shown.
func Languages() []string { return []string{"go", "rust", "c", "zig", "assemblyscript"} }

// Source is the file, below the plugin's folder, that an author begins with.
func Source(lang string) string { return languages()[lang].source }

// Kinds are the kinds of plugin.
func Kinds() []string { return []string{abi.KindProcessor, abi.KindAdapter} }

// pluginName is what a plugin may be called.
var pluginName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// New makes the folder dir, which must not be there or be empty, for a plugin that is called as the folder's last part.
func New(dir, lang, kind string) error {
	if dir == "" { // a variable of a script's that is not set; the current folder is "."
		return errors.New("the plugin's name is empty; write one, such as my-bot")
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	l, ok := languages()[lang]
	name := filepath.Base(whole)
	switch {
	case !pluginName.MatchString(name):
		return fmt.Errorf("a plugin can't be called %q; use up to 64 letters, digits, _ and -", name)
	case !ok:
		return fmt.Errorf("there is no language %q; write one of %s", lang, strings.Join(Languages(), ", "))
	case !slices.Contains(Kinds(), kind):
		return fmt.Errorf("there is no kind %q; write one of %s", kind, strings.Join(Kinds(), ", "))
	}
	if err := checkEmpty(dir); err != nil {
		return err
	}
	w := writer{dir: dir, words: strings.NewReplacer("@NAME@", name, "@SOURCE@", l.source, "@NEEDS@", l.needs, "@ASSEMBLYSCRIPT@", assemblyScript)}
	w.template(path.Join("templates", kind), "")
	w.template(path.Join("templates", lang), kind)
	w.sdk(l)
	return w.err
}

func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is there already; name another folder", dir)
	}
	return nil
}

// writer writes files below a folder until the first error.
type writer struct {
	dir   string
	words *strings.Replacer
	err   error
}

func (w *writer) file(name string, content []byte) {
	if w.err != nil {
		return
	}
	to := filepath.Join(w.dir, filepath.FromSlash(name))
	if w.err = os.MkdirAll(filepath.Dir(to), 0o755); w.err == nil {
		w.err = os.WriteFile(to, content, 0o644)
	}
}

// template writes the files of a folder of templates. Of the folders of kinds in it, it takes the files of the one.
func (w *writer) template(folder, kind string) {
	w.walk(templates, folder, func(name string, content []byte) {
		for _, k := range Kinds() {
			if rest, ok := strings.CutPrefix(name, k+"/"); ok {
				if k != kind {
					return
				}
				name = rest
			}
		}
		w.file(strings.TrimSuffix(name, ending), []byte(w.words.Replace(string(content))))
	})
}

// sdk writes the SDK, without its tests.
func (w *writer) sdk(l language) {
	for from, to := range l.sdk {
		w.walk(sgstreamd.SDKs, from, func(name string, content []byte) {
			if !strings.HasSuffix(name, "_test.go") {
				w.file(path.Join("sdk", to, name), content)
			}
		})
	}
	for name, content := range l.more {
		w.file(path.Join("sdk", name), []byte(content))
	}
	licence, err := sgstreamd.SDKs.ReadFile("LICENSE")
	w.err = errors.Join(w.err, err)
	w.file("sdk/LICENSE", licence)
}

// walk calls do with each file below a folder, by its path there.
func (w *writer) walk(from fs.FS, folder string, do func(name string, content []byte)) {
	err := fs.WalkDir(from, folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(from, name)
		if err == nil {
			do(strings.TrimPrefix(name, folder+"/"), content)
		}
		return err
	})
	w.err = errors.Join(w.err, err)
}
