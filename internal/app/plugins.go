package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/envelope"
	"github.com/sgstreamd/sgstreamd/host"
)

// pluginName is what a plugin's file, without its ending, may be called: a name that can stand in the
// configuration and in an environment variable.
var pluginName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// plugins are the modules of plugins.dir.
type plugins struct {
	host   *host.Host
	byName map[string]*host.Plugin
	// refused are the reasons why the other files are not served.
	refused map[string]error
}

// need is what the configuration wants of one plugin.
type need struct {
	kinds     []string // as which it serves; mostly one
	instances int      // as many as its roles may have in flight together
}

// needs are the plugins that the configuration names.
func (d *daemon) needs() map[string]need {
	needs := map[string]need{}
	add := func(name, kind string, instances int) {
		n := needs[name]
		if !slices.Contains(n.kinds, kind) {
			n.kinds = append(n.kinds, kind)
		}
		n.instances += instances
		needs[name] = n
	}
	for _, platform := range d.Config.Outbound.Platforms {
		add(d.Config.Outbound.AdapterOf(platform), abi.KindAdapter, d.Config.Outbound.MaxInFlight)
	}
	if d.Config.Inbound.Enabled {
		add(d.Config.Inbound.Processor, abi.KindProcessor, d.Config.Inbound.MaxInFlight)
	}
	return needs
}

// loadPlugins compiles and checks every module of the folder. A bad one is refused with the reason; one that
// the configuration names stops the start.
func (d *daemon) loadPlugins() error {
	d.status.set("loading plugins")
	cache, err := d.Config.Plugins.CachePath()
	if err != nil {
		d.Log.Warn("no folder for the compile cache; modules are compiled anew at each start", "error", err)
	}
	h, err := host.New(d.working, host.Options{
		CacheDir: cache, Codecs: envelope.Codecs(), State: d.state, Log: d.Log, Registerer: d.registry,
	})
	if err != nil {
		return err
	}
	d.plugins = &plugins{host: h, byName: map[string]*host.Plugin{}, refused: map[string]error{}}
	d.cleanups.push("plugins", d.plugins.close)
	files, err := modules(d.Config.Plugins.Dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".wasm")
		p, err := d.loadPlugin(name, file)
		if err != nil {
			d.refuse(name, file, err)
			continue
		}
		d.plugins.byName[name] = p
	}
	for name := range d.Config.Plugins.ByName {
		if d.plugins.byName[name] == nil && d.plugins.refused[name] == nil {
			d.Log.Warn("the configuration has a table for a plugin that is not there", "plugin", name, "dir", d.Config.Plugins.Dir)
		}
	}
	return d.requirePlugins()
}

func (d *daemon) loadPlugin(name, file string) (*host.Plugin, error) {
	if !pluginName.MatchString(name) {
		return nil, fmt.Errorf("its name %q is not made of letters, digits, _ and -; rename the file", name)
	}
	instances := max(d.needs()[name].instances, 1)
	return d.plugins.host.Load(d.stopping, name, file, d.Config.Plugins.For(name), instances)
}

func (d *daemon) refuse(name, file string, err error) {
	d.Log.Error("plugin refused", "file", file, "error", err)
	d.plugins.refused[name] = err
	d.status.remark(fmt.Errorf("plugin refused: %w", err))
}

// requirePlugins checks that each plugin that the configuration names is there and of the right kind.
func (d *daemon) requirePlugins() error {
	var errs []error
	for name, need := range d.needs() {
		for _, kind := range need.kinds {
			if err := d.requirePlugin(name, kind); err != nil {
				errs = append(errs, err)
			}
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func (d *daemon) requirePlugin(name, kind string) error {
	p, refused := d.plugins.byName[name], d.plugins.refused[name]
	switch {
	case refused != nil:
		return fmt.Errorf("the %s is refused: %w", kind, refused)
	case p == nil:
		return d.missing(name, kind)
	case p.Manifest().Kind != "" && p.Manifest().Kind != kind:
		return fmt.Errorf("plugin %q says in its manifest that it is a %s, but the configuration uses it as a %s", name, p.Manifest().Kind, kind)
	}
	return nil
}

func (d *daemon) missing(name, kind string) error {
	hint := `put the module there, or name another plugin`
	for other := range d.plugins.byName {
		if levenshtein.ComputeDistance(name, other) <= 2 {
			hint = fmt.Sprintf("did you mean %q?", other)
		}
	}
	where := "inbound.processor"
	if kind == abi.KindAdapter {
		where = "outbound.platforms"
	}
	return fmt.Errorf("%s needs the plugin %q, but plugins.dir %q has no %s.wasm; %s", where, name, d.Config.Plugins.Dir, name, hint)
}

// startPlugins makes the first instance of every plugin, so that a bad one is known now and not with the
// first message.
func (d *daemon) startPlugins() error {
	for name, p := range d.plugins.byName {
		if err := p.Start(d.stopping); err != nil {
			if _, needed := d.needs()[name]; needed {
				return err
			}
			d.refuse(name, name+".wasm", err)
		}
	}
	return nil
}

// close ends every plugin and then the engine.
func (p *plugins) close(ctx context.Context) error {
	var errs []error
	for _, plugin := range p.byName {
		errs = append(errs, plugin.Close(ctx))
	}
	return errors.Join(append(errs, p.host.Close(ctx))...)
}

// modules are the .wasm files of a folder, in the order of their names.
func modules(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("plugins.dir: there is no folder %q; make it, or name another", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("plugins.dir: %w", err)
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".wasm") { // even of a folder, so that the host refuses it aloud
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}
