package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/agnivade/levenshtein"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/envelope"
	"github.com/sgstreamd/sgstreamd/host"
)

// pluginName is what a plugin's file, without its ending, may be called: a name that can stand in the
// configuration and in an environment variable.
var pluginName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// plugins are the modules of plugins.dir. Once the daemon works they belong to the keeper's goroutine.
type plugins struct {
	host   *host.Host
	grants grants
	slots  map[string]*slot // of those that serve, or could
	// refused are the reasons why the newest files of others, or newer files of those, do not.
	refused map[string]error
	seen    map[string]fileMark // the files that were looked at last, by plugin
	loading map[string]bool     // those that are loaded aside at this moment
	retired sync.WaitGroup      // versions that finish their last calls
	loads   *prometheus.CounterVec
}

// fileMark tells one state of a file from the next.
type fileMark struct{ info os.FileInfo }

func markOf(path string) (fileMark, error) {
	info, err := os.Stat(path)
	return fileMark{info}, err
}

// size is 0 for a file that can't be looked at.
func (m fileMark) size() int64 {
	if m.info == nil {
		return 0
	}
	return m.info.Size()
}

func (m fileMark) same(other fileMark) bool {
	return m.info != nil && other.info != nil && os.SameFile(m.info, other.info) &&
		m.info.Size() == other.info.Size() && m.info.ModTime().Equal(other.info.ModTime())
}

// kinds are as what the configuration uses the plugin by its name; none where it does not.
func (d *daemon) kinds(name string) []string {
	var kinds []string
	if d.Config.Inbound.Enabled && d.Config.Inbound.Processor == name {
		kinds = append(kinds, abi.KindProcessor)
	}
	if !d.Config.Outbound.Auto() && len(d.Config.Outbound.PlatformsOf(name)) > 0 {
		kinds = append(kinds, abi.KindAdapter)
	}
	return kinds
}

// required are the plugins that the daemon does not start without.
func (d *daemon) required() []string {
	names := map[string]bool{}
	if d.Config.Inbound.Enabled {
		names[d.Config.Inbound.Processor] = true
	}
	if !d.Config.Outbound.Auto() {
		for _, platform := range d.Config.Outbound.Platforms {
			names[d.Config.Outbound.AdapterOf(platform)] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// instances is how many a plugin may have where its own configuration does not say: as many as its roles may have in
// flight together.
func (d *daemon) instances(name string) int {
	n := len(d.Config.Outbound.PlatformsOf(name)) * d.Config.Outbound.MaxInFlight
	if d.Config.Inbound.Enabled && d.Config.Inbound.Processor == name {
		n += d.Config.Inbound.MaxInFlight
	}
	return max(n, 1)
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
	d.plugins = &plugins{
		host: h, grants: grants{d.Config.Plugins.LockPath()}, slots: map[string]*slot{}, refused: map[string]error{}, seen: map[string]fileMark{}, loading: map[string]bool{},
		loads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sgstreamd_plugin_loads_total", Help: "Files of the plugin that were looked at, by outcome.",
		}, []string{"plugin", "outcome"}),
	}
	d.registry.MustRegister(d.plugins.loads)
	d.cleanups.push("plugins", d.plugins.close)
	files, err := d.modules()
	if err != nil {
		return err
	}
	for _, l := range d.openAll(files) {
		d.plugins.seen[l.name] = l.mark
		if l.err != nil {
			d.refuse(l.name, l.err)
			continue
		}
		d.serve(l.order, l.plugin)
	}
	for name := range d.Config.Plugins.ByName {
		if d.plugins.slots[name] == nil && d.plugins.refused[name] == nil {
			d.Log.Warn("the configuration has a table for a plugin that is not there", "plugin", name, "dir", d.Config.Plugins.Dir)
		}
	}
	return d.requirePlugins()
}

// order is a file that is to be loaded, with what the configuration says of its plugin at that moment.
type order struct {
	name, file string
	mark       fileMark
	config     host.PluginConfig
	instances  int
	kinds      []string
}

func (d *daemon) order(name, file string) order {
	mark, _ := markOf(file) // one that can't be looked at can't be opened either
	return order{name, file, mark, d.Config.Plugins.For(name), d.instances(name), d.kinds(name)}
}

// open loads a plugin and checks that it may serve as what it is used as. It has no instance yet. It may run beside the
// keeper.
func (d *daemon) open(o order) (*host.Plugin, error) {
	if !pluginName.MatchString(o.name) {
		return nil, fmt.Errorf("its name %q is not made of letters, digits, _ and -; rename the file", o.name)
	}
	p, err := d.plugins.host.Load(d.stopping, o.name, o.file, o.config, o.instances)
	if err != nil {
		return nil, err
	}
	for _, kind := range o.kinds {
		if m := p.Manifest(); err == nil && m.Kind != "" && m.Kind != kind {
			err = fmt.Errorf("plugin %q says in its manifest that it is a %s, but the configuration uses it as a %s", o.name, m.Kind, kind)
		}
	}
	if err == nil {
		err = d.plugins.grants.check(o.name, p.Granted())
	}
	if err != nil {
		return nil, errors.Join(err, p.Close(d.working))
	}
	return p, nil
}

// openAll opens the files beside each other, since a large one takes tens of milliseconds even where it is in the cache, and
// returns what became of them by name. The largest come first, so that none of them is left over at the end.
func (d *daemon) openAll(files map[string]string) []loaded {
	all := make([]loaded, 0, len(files))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all = append(all, loaded{order: d.order(name, files[name])})
	}
	bySize := make([]*loaded, len(all))
	for i := range all {
		bySize[i] = &all[i]
	}
	slices.SortStableFunc(bySize, func(a, b *loaded) int { return cmp.Compare(b.mark.size(), a.mark.size()) })
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0)) // compiling one that is not in the cache takes a lot of memory
	for _, l := range bySize {
		g.Go(func() error {
			l.plugin, l.err = d.open(l.order)
			return nil
		})
	}
	_ = g.Wait() // what went wrong is in each
	return all
}

// startPlugin makes a plugin's first instance, so that a bad one is known before its first message, and remembers what it was
// granted. It may run beside the keeper.
func (d *daemon) startPlugin(name string, p *host.Plugin) error {
	if err := p.Start(d.stopping); err != nil {
		return err
	}
	err := d.plugins.grants.remember(name, p.SHA256(), p.Granted())
	if errors.Is(err, errNotRemembered) {
		// The folder of the plugins may well be nobody's to write to but the operator's.
		d.Log.Warn(err.Error(), "plugin", name)
		return nil
	}
	return err
}

// serve puts a plugin into its slot, and returns the version that it replaces, if there is one.
func (d *daemon) serve(o order, p *host.Plugin) (old *host.Plugin) {
	s := d.plugins.slots[o.name]
	if s == nil {
		s = &slot{}
		d.plugins.slots[o.name] = s
	}
	s.config = o.config
	old = s.current.Swap(p)
	delete(d.plugins.refused, o.name)
	d.status.clear(o.name)
	return old
}

func (d *daemon) refuse(name string, err error) {
	d.plugins.refused[name] = err
	// A file may be called anything, and a label is UTF-8.
	d.plugins.loads.WithLabelValues(strings.ToValidUTF8(name, "\ufffd"), "refused").Inc()
	d.status.remark(name, fmt.Errorf("plugin refused: %w", err))
	d.Log.Error("plugin refused", "plugin", name, "error", err) // last: who reads it finds the rest as it says
}

// requirePlugins checks that each plugin that the configuration names is there.
func (d *daemon) requirePlugins() error {
	var errs []error
	for _, name := range d.required() {
		for _, kind := range d.kinds(name) {
			switch refused := d.plugins.refused[name]; {
			case refused != nil:
				errs = append(errs, fmt.Errorf("the %s is refused: %w", kind, refused))
			case d.plugins.slots[name] == nil:
				errs = append(errs, d.missing(name, kind))
			}
		}
	}
	return errors.Join(errs...)
}

func (d *daemon) missing(name, kind string) error {
	hint := `put the module there, or name another plugin`
	for other := range d.plugins.slots {
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
	for _, name := range slices.Sorted(maps.Keys(d.plugins.slots)) {
		if err := d.startPlugin(name, d.plugins.slots[name].current.Load()); err != nil {
			if slices.Contains(d.required(), name) {
				return err
			}
			d.refuse(name, err)
			d.dismiss(name)
		}
	}
	return nil
}

// close ends every plugin and then the engine. Nothing calls them any more.
func (p *plugins) close(ctx context.Context) error {
	p.retired.Wait()
	return p.host.Close(ctx)
}

// modules are the files of the plugins that are looked at, by their names.
func (d *daemon) modules() (map[string]string, error) {
	files, err := modules(d.Config.Plugins.Dir)
	if d.Only != nil {
		maps.DeleteFunc(files, func(name, _ string) bool { return !slices.Contains(d.Only, name) })
	}
	return files, err
}

// modules are the .wasm files of a folder, by their plugins' names.
func modules(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("plugins.dir: there is no folder %q; make it, or name another", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("plugins.dir: %w", err)
	}
	files := map[string]string{}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".wasm"); ok { // even of a folder, so that the host refuses it aloud
			files[name] = filepath.Join(dir, e.Name())
		}
	}
	return files, nil
}
