// Package toolchain builds a plugin's folder into a module: it tells the language by the files in it, runs that
// language's own compiler, and puts the manifest into what comes out. A file a language.
package toolchain

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sgstreamd/sgstreamd/abi"
)

// ManifestFile is the name of the file in a plugin's folder that becomes the module's manifest.
const ManifestFile = "manifest.json"

// Language is one that plugins can be written in.
type Language struct {
	// Name is how it is named on the command line.
	Name string
	// Source is the file, below the plugin's folder, that tells the language.
	Source string
	// commands are what has to be run in the plugin's folder to make the file out.
	commands func(dir, out string) ([]command, error)
}

// command is one run of a compiler.
type command struct {
	args []string
	env  []string // besides the environment
}

// Languages returns the languages, in the order in which a folder is tried.
func Languages() []Language {
	return []Language{goLanguage(), rustLanguage(), cLanguage(), zigLanguage(), assemblyScriptLanguage()}
}

// Detect tells in which language the plugin in the folder is written.
func Detect(dir string) (Language, error) {
	var sources []string
	for _, l := range Languages() {
		if _, err := os.Stat(filepath.Join(dir, l.Source)); err == nil {
			return l, nil
		}
		sources = append(sources, fmt.Sprintf("%s (%s)", l.Source, l.Name))
	}
	if _, err := os.Stat(dir); err != nil {
		return Language{}, err
	}
	return Language{}, fmt.Errorf("%s: no plugin that can be built: it has none of %s", dir, strings.Join(sources, ", "))
}

// Build makes the module out of the plugin in the folder. The compiler's own words go to the error.
//
// What the compiler says of a plugin that it builds, its warnings, goes to the writer.
func Build(ctx context.Context, dir, out string, warnings io.Writer) error {
	l, err := Detect(dir)
	if err != nil {
		return err
	}
	manifest, err := readManifest(dir)
	if err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "sgstreamd-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	made := filepath.Join(work, "plugin.wasm")
	commands, err := l.commands(dir, made)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	for _, c := range commands {
		if err := c.run(ctx, dir, warnings); err != nil {
			return err
		}
	}
	module, err := os.ReadFile(made)
	if err != nil {
		return fmt.Errorf("%s: the compiler has made no module: %w", dir, err)
	}
	if module, err = WithManifest(module, manifest); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return replace(out, module)
}

// readManifest returns the plugin's manifest, nil where it has none.
func readManifest(dir string) ([]byte, error) {
	path := filepath.Join(dir, ManifestFile)
	doc, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err := abi.ParseManifest(doc); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return doc, nil
}

func (c command) run(ctx context.Context, dir string, warnings io.Writer) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), c.env...)
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %s: %w\n%s", dir, filepath.Base(c.args[0]), err, bytes.TrimSpace(said))
	}
	_, err = warnings.Write(said)
	return err
}

// ErrNoCompiler is what Build's error wraps where the language's compiler is not installed.
var ErrNoCompiler = errors.New("no compiler")

// missing is an error that says what to install.
type missing string

// Error is the line for people.
func (m missing) Error() string { return string(m) }

// Unwrap returns ErrNoCompiler.
func (m missing) Unwrap() error { return ErrNoCompiler }

// find returns the path of a program: in node_modules/.bin or tools/npm/node_modules/.bin of the folder or one above
// it, on PATH, or beside this program in the same way.
func find(dir, program, remedy string) (string, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if path := findAbove(at, program); path != "" {
		return path, nil
	}
	if path, err := exec.LookPath(program); err == nil {
		return filepath.Abs(path)
	}
	if self, err := os.Executable(); err == nil {
		if path := findAbove(filepath.Dir(self), program); path != "" {
			return path, nil
		}
	}
	return "", missing("there is no " + program + "; " + remedy)
}

// findAbove looks where npm puts programs, in a folder and in those above it.
func findAbove(at, program string) string {
	for {
		for _, bin := range []string{"node_modules/.bin", "tools/npm/node_modules/.bin"} {
			if path, err := exec.LookPath(filepath.Join(at, bin, program)); err == nil {
				return path
			}
		}
		if filepath.Dir(at) == at {
			return ""
		}
		at = filepath.Dir(at)
	}
}

// sdk returns the folder of the SDK that has the file: sdk in the plugin's folder, or sdk/<language> in one above it.
func sdk(dir, language, file string) (string, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	folders := []string{filepath.Join(at, "sdk")}
	for ; filepath.Dir(at) != at; at = filepath.Dir(at) {
		folders = append(folders, filepath.Join(at, "sdk", language))
	}
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, file)); err == nil {
			return folder, nil
		}
	}
	return "", fmt.Errorf("there is no sdk/%s beside its sources; sgstreamd plugin new makes a folder that has it", file)
}

// WithManifest returns the module with the manifest in its custom section, in the place of any that is there. Nil takes
// the section away. It comes first: a module that was cut short then lacks code, and never just its manifest.
func WithManifest(module, manifest []byte) ([]byte, error) {
	if len(module) < 8 || !bytes.HasPrefix(module, []byte("\x00asm")) {
		return nil, errors.New("is not a WebAssembly module")
	}
	out := bytes.Clone(module[:8])
	if manifest != nil {
		body := append([]byte{byte(len(abi.ManifestSection))}, abi.ManifestSection...)
		body = append(body, manifest...)
		out = append(out, 0)
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
	}
	for rest := module[8:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return nil, errors.New("is truncated: it ends within a section")
		}
		end := 1 + n + int(size)
		if rest[0] != 0 || !isManifest(rest[1+n:end]) {
			out = append(out, rest[:end]...)
		}
		rest = rest[end:]
	}
	return out, nil
}

// isManifest tells whether the body of a custom section is that of a manifest.
func isManifest(body []byte) bool {
	size, n := binary.Uvarint(body)
	return n > 0 && size == uint64(len(abi.ManifestSection)) && bytes.HasPrefix(body[n:], []byte(abi.ManifestSection))
}

// replace writes the file in one step: a daemon that watches the folder never sees half of it.
func replace(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".sgstreamd-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
