package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/config"
)

// grants is the lock file: what each plugin was granted when it was first served, or by the operator's word since.
type grants struct {
	path string // empty where nothing is remembered
}

// granted is a plugin's entry in the lock file.
type granted struct {
	// SHA256 is that of the module that asked for it first, or for which the operator gave his word; for people.
	SHA256 string `json:"sha256"`
	host.Grant
}

var (
	// errWantsMore marks a plugin that asks for more than it was granted.
	errWantsMore = errors.New("it asks for more than it was granted")
	// errNotRemembered marks a lock file that can't be written.
	errNotRemembered = errors.New("what plugins are granted can't be remembered")
)

// check fails with errWantsMore where a plugin asks for more than it was granted. One that was granted nothing yet may
// have what it asks for.
func (g grants) check(name string, asks host.Grant) error {
	if g.path == "" {
		return nil
	}
	all, err := g.read()
	if err != nil {
		return err
	}
	known, ok := all[name]
	if !ok {
		return nil
	}
	if more := asks.Beyond(known.Grant); len(more) > 0 {
		return fmt.Errorf("plugin %q: %w in %s: %s; if it may, run sgstreamd plugin grant %s", name, errWantsMore, g.path, strings.Join(more, ", "), name)
	}
	return nil
}

// remember writes what a plugin asks for that serves for the first time.
func (g grants) remember(name, sha256 string, asks host.Grant) error {
	if g.path == "" {
		return nil
	}
	all, err := g.read()
	if _, known := all[name]; known || err != nil {
		return err
	}
	known, err := g.give(name, granted{sha256, asks}, false)
	if err == nil && len(asks.Beyond(known.Grant)) > 0 { // another daemon was first, with another version
		return g.check(name, asks)
	}
	return err
}

// give writes what the plugin is granted. Where another daemon was first, that stands, unless it is the operator's word. It
// returns what the plugin is granted now.
func (g grants) give(name string, is granted, operators bool) (granted, error) {
	unlock := lockFolder(filepath.Dir(g.path))
	defer unlock()
	all, err := g.read()
	if err != nil {
		return is, err
	}
	if known, ok := all[name]; ok && !operators {
		return known, nil
	}
	all[name] = is
	doc, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return is, err
	}
	if err := replaceFile(g.path, append(doc, '\n')); err != nil {
		return is, fmt.Errorf(`plugins.lock_file: %w: %w; name a file that can be written, run sgstreamd plugin grant %s, or write "off"`, errNotRemembered, err, name)
	}
	return is, nil
}

// Grant writes into the lock file that the plugin of plugins.dir is granted what its module asks for now. It returns what
// that is beyond what it was granted before, in words; everything where it was granted nothing.
func Grant(ctx context.Context, c config.Config, name string) (more []string, err error) {
	g := grants{c.Plugins.LockPath()}
	if g.path == "" {
		return nil, errors.New(`plugins.lock_file is "off": nothing is remembered, and so nothing has to be granted`)
	}
	in, err := host.Inspect(ctx, filepath.Join(c.Plugins.Dir, name+".wasm"))
	if err == nil && in.Refused != "" {
		err = fmt.Errorf("%s: %s", in.File, in.Refused)
	}
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", name, err)
	}
	all, err := g.read()
	if err != nil {
		return nil, err
	}
	before, ok := all[name]
	if !ok {
		before.Hosts, before.Secrets = []string{}, []string{}
	}
	_, err = g.give(name, granted{in.SHA256, in.Asks}, true)
	return in.Asks.Beyond(before.Grant), err
}

func (g grants) read() (map[string]granted, error) {
	all := map[string]granted{}
	doc, err := os.ReadFile(g.path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(doc, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("plugins.lock_file: %s can't be read: %w; mend it, or remove it to grant what the plugins ask for now", g.path, err)
	}
	return all, nil
}

// replaceFile writes a file in one step, so that no other daemon reads half of it.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".plugins-lock-*")
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
