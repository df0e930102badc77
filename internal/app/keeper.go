package app

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/config"
)

const (
	// settle is how long the folder has to be quiet before its files are looked at: who writes one writes more of it.
	settle = 100 * time.Millisecond
	// recheck is how often the folder is looked at without a reason: some file systems tell nothing.
	recheck = 10 * time.Second
)

// keepPlugins lets plugins be put into the folder, replaced and removed, and takes their configuration anew, until the
// daemon stops.
func (d *daemon) keepPlugins() error {
	d.kept = make(chan struct{})
	watcher := d.watchFolder()
	go func() {
		defer close(d.kept)
		if watcher != nil {
			defer watcher.Close()
		}
		d.keep(watcher)
	}()
	return nil
}

// watchFolder returns nil where the folder is not to be watched, or can't be.
func (d *daemon) watchFolder() *fsnotify.Watcher {
	if !d.Config.Plugins.Watch {
		return nil
	}
	w, err := fsnotify.NewWatcher()
	if err == nil {
		err = w.Add(d.Config.Plugins.Dir)
	}
	if lock := d.plugins.grants.path; err == nil && lock != "" && filepath.Dir(lock) != filepath.Clean(d.Config.Plugins.Dir) {
		err = w.Add(filepath.Dir(lock))
	}
	if err != nil {
		d.Log.Warn("the folder of the plugins can't be watched; it is looked at from time to time", "every", recheck, "error", err)
		if w != nil {
			w.Close()
		}
		return nil
	}
	return w
}

// keep is the keeper's goroutine.
func (d *daemon) keep(watcher *fsnotify.Watcher) {
	var events chan fsnotify.Event
	var failures chan error
	if watcher != nil {
		events, failures = watcher.Events, watcher.Errors
	}
	quiet, again := time.NewTimer(0), time.NewTicker(recheck)
	defer quiet.Stop()
	defer again.Stop()
	if !d.Config.Plugins.Watch {
		quiet.Stop()
		again.Stop()
	}
	for {
		select {
		case <-d.stopping.Done():
			return
		case e := <-events:
			if d.concerns(e) {
				quiet.Reset(settle)
			}
		case err := <-failures: // events were lost
			d.Log.Debug("the watch of the plugins' folder has failed", "error", err)
			quiet.Reset(settle)
		case <-again.C:
			quiet.Reset(0)
		case <-quiet.C:
			d.scan()
		case l := <-d.loaded:
			if !d.settle(l) {
				quiet.Reset(settle)
			}
		case <-d.Reload:
			d.reconfigure()
		}
	}
}

// concerns tells whether what has happened in the folder may change the plugins.
func (d *daemon) concerns(e fsnotify.Event) bool {
	return !e.Has(fsnotify.Chmod) && strings.HasSuffix(e.Name, ".wasm") || filepath.Clean(e.Name) == filepath.Clean(d.plugins.grants.path)
}

// scan looks for files that are new, changed, or gone.
func (d *daemon) scan() {
	files, err := d.modules()
	if err != nil {
		d.Log.Warn("the folder of the plugins can't be read; those that were loaded serve on", "error", err)
		return
	}
	d.retryRefused()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		mark, err := markOf(files[name])
		if err == nil && mark.same(d.plugins.seen[name]) || d.plugins.loading[name] {
			continue
		}
		d.plugins.seen[name] = mark
		if err != nil {
			d.refuseLink(name, files[name])
			continue
		}
		d.load(d.order(name, files[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(d.plugins.seen)) {
		if files[name] == "" && !d.plugins.loading[name] {
			d.withdraw(name)
		}
	}
	d.assignAdapters()
}

// retryRefused looks again at files that asked for more than they were granted, if the lock file has changed.
func (d *daemon) retryRefused() {
	mark, err := markOf(d.plugins.grants.path)
	if err != nil || mark.same(d.lockSeen) {
		return
	}
	d.lockSeen = mark
	for name, err := range d.plugins.refused {
		if errors.Is(err, errWantsMore) {
			delete(d.plugins.seen, name)
		}
	}
}

// loaded is what became of an order: a plugin that could serve, or why it can't.
type loaded struct {
	order
	plugin *host.Plugin
	err    error
}

// load loads a file aside, in a goroutine of its own: a plugin that takes its time to begin holds up no other one. The keeper
// gets the outcome from d.loaded.
func (d *daemon) load(o order) {
	d.plugins.loading[o.name] = true
	d.plugins.retired.Go(func() {
		p, err := d.open(o)
		if err == nil {
			if err = d.startPlugin(o.name, p); err != nil {
				p, err = nil, errors.Join(err, p.Close(d.working))
			}
		}
		select {
		case d.loaded <- loaded{o, p, err}:
		case <-d.stopping.Done():
			if p != nil {
				d.retire(p)
			}
		}
	})
}

// settle lets what was loaded take over, unless it is refused. It returns false if the folder has to be looked at again: the
// file has changed meanwhile, so that what was loaded may be half of it, or its configuration has.
func (d *daemon) settle(l loaded) bool {
	defer d.reread()
	delete(d.plugins.loading, l.name)
	if now, err := markOf(l.file); err != nil || !now.same(l.mark) {
		if l.plugin != nil {
			d.retire(l.plugin)
		}
		d.Log.Debug("a plugin's file is being written", "plugin", l.name, "error", l.err)
		delete(d.plugins.seen, l.name)
		if errors.Is(err, fs.ErrNotExist) {
			d.withdraw(l.name)
		}
		return false
	}
	if l.err != nil {
		d.refuseNewer(l.name, l.err)
		return l.mark.same(d.plugins.seen[l.name])
	}
	outcome := "added"
	if s := d.plugins.slots[l.name]; s != nil && d.Config.Outbound.Auto() && s.current.Load().Manifest().Kind != l.plugin.Manifest().Kind {
		d.dismiss(l.name) // what the adapter had in flight is nothing for a processor
	}
	if old := d.serve(l.order, l.plugin); old != nil {
		outcome = "replaced"
		d.retire(old)
	}
	d.plugins.loads.WithLabelValues(l.name, outcome).Inc()
	d.Log.Info("plugin "+outcome, "plugin", l.name, "version", l.plugin.Manifest().Version, "sha256", l.plugin.SHA256())
	d.assignAdapters()
	return l.mark.same(d.plugins.seen[l.name])
}

// refuseNewer refuses a file, and says where another version serves.
func (d *daemon) refuseNewer(name string, err error) {
	d.refuse(name, err)
	if d.plugins.slots[name] != nil {
		d.Log.Warn("the version of the plugin that was loaded before serves on", "plugin", name)
	}
}

// refuseLink refuses, once, a name in the folder behind which no file can be found.
func (d *daemon) refuseLink(name, file string) {
	p, err := d.open(d.order(name, file))
	if err == nil { // it is there by now: the next look takes it
		err = p.Close(d.working)
	}
	_, gone := os.Lstat(file)
	before := d.plugins.refused[name]
	if err == nil || gone != nil || before != nil && before.Error() == err.Error() {
		return
	}
	d.refuseNewer(name, err)
}

// retire closes a version once its last calls are over.
func (d *daemon) retire(p *host.Plugin) {
	d.plugins.retired.Go(func() {
		if err := p.Close(d.working); err != nil {
			d.Log.Warn("a version of a plugin that was replaced or removed did not end in good order", "error", err)
		}
	})
}

// withdraw ends the service of a plugin whose file is gone, unless the configuration names it.
func (d *daemon) withdraw(name string) {
	delete(d.plugins.seen, name)
	delete(d.plugins.refused, name)
	d.status.clear(name)
	if d.plugins.slots[name] == nil {
		return
	}
	d.plugins.loads.WithLabelValues(name, "removed").Inc()
	if slices.Contains(d.required(), name) {
		err := fmt.Errorf("plugin %q: its file is gone; the version that was loaded serves on until the daemon ends", name)
		d.status.remark(name, err)
		d.Log.Warn(err.Error())
		return
	}
	d.Log.Info("plugin removed", "plugin", name)
	d.dismiss(name)
}

// dismiss takes a plugin out of service: its workers stop, what is in flight is finished, and then it is closed.
func (d *daemon) dismiss(name string) {
	s := d.plugins.slots[name]
	delete(d.plugins.slots, name)
	var ended []<-chan struct{}
	for platform, w := range d.adapters {
		if w.plugin == name {
			ended = append(ended, d.stopAdapter(platform))
		}
	}
	d.plugins.retired.Go(func() {
		for _, done := range ended {
			<-done
		}
		d.retire(s.current.Load())
	})
}

// reconfigure takes the plugins' configuration anew, and loads those again that are concerned. Of the rest it says that
// it waits for the next start.
func (d *daemon) reconfigure() {
	fresh, err := d.Reread()
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			d.Log.Error("the configuration is not taken anew", "error", strings.TrimSpace(line))
		}
		return
	}
	for _, table := range changedTables(d.Config, fresh) {
		d.Log.Warn("a change of this table takes effect with the next start only", "table", table)
	}
	d.Config.Plugins.ByName = fresh.Plugins.ByName
	for name := range d.plugins.seen {
		s := d.plugins.slots[name]
		c := d.Config.Plugins.For(name)
		// A secret's file or variable may hold another one by now.
		if s == nil || d.plugins.refused[name] != nil || len(c.Secrets) > 0 || !reflect.DeepEqual(s.config, c) {
			d.plugins.seen[name] = fileMark{}
		}
	}
	d.rereading = true
	d.scan()
	d.reread()
}

// reread says that the configuration was taken anew, once all that it concerns has settled.
func (d *daemon) reread() {
	if !d.rereading || len(d.plugins.loading) > 0 {
		return
	}
	d.rereading = false
	for _, w := range d.adapters {
		w.Resize(d.places(w.plugin, d.Config.Outbound.MaxInFlight))
	}
	if d.processor != nil {
		d.processor.Resize(d.places(d.Config.Inbound.Processor, d.Config.Inbound.MaxInFlight))
	}
	d.Log.Info("the plugins' configuration was taken anew")
}

// changedTables are the tables besides the plugins' own that differ.
func changedTables(old, fresh config.Config) []string {
	old.Plugins.ByName, fresh.Plugins.ByName = nil, nil
	var changed []string
	a, b := reflect.ValueOf(old), reflect.ValueOf(fresh)
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			changed = append(changed, a.Type().Field(i).Tag.Get("koanf"))
		}
	}
	return changed
}
