package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"github.com/sgstreamd/sgstreamd/host"
)

// delim joins koanf's paths. It can't occur in a key that this package asks koanf for: those of the
// schema and plugins' names. Keys inside a plugin's config may have dots, and are never asked for by path.
const delim = "\x00"

// Source is where Load looks.
type Source struct {
	// File is the path of a TOML file; empty for none.
	File string
	// Environ is the environment, as os.Environ returns it.
	Environ []string
	// Flags are the settings of the command line: dotted keys, and their values as text.
	Flags map[string]string
}

// Load fills a Config. What comes later in this list prevails: the defaults, the fleet's SG_ variables,
// the file, the SGSTREAMD_ variables, the flags. Its error joins one line for every mistake in all of
// them, each with the place, the key and the remedy.
func Load(s Source) (Config, error) {
	l := newLoader()
	l.fleet(s.Environ)
	l.rest(s)
	c := l.decode()
	l.validate(&c)
	if len(l.errs) > 0 {
		return Config{}, errors.Join(distinct(l.errs)...)
	}
	return c, nil
}

// distinct leaves out errors of the same text as an earlier one.
func distinct(errs []error) []error {
	seen := map[string]bool{}
	return slices.DeleteFunc(errs, func(err error) bool {
		twice := seen[err.Error()]
		seen[err.Error()] = true
		return twice
	})
}

// loader merges the layers. Each value is checked against the schema and converted as its layer is
// read, while it is known where it stands.
type loader struct {
	schema *node
	merged *koanf.Koanf
	// origins tells, by dotted key, which source set a value last, and tables the same of the tables that the operator
	// has named.
	origins, tables map[string]string
	errs            []error
}

func newLoader() *loader {
	return &loader{schema: newSchema(), merged: koanf.New(delim), origins: map[string]string{}, tables: map[string]string{}}
}

// rest reads the layers that prevail over the fleet's variables.
func (l *loader) rest(s Source) {
	l.file(s.File)
	l.environment(s.Environ)
	l.flags(s.Flags)
}

// merge puts a layer's values over those that came before.
func (l *loader) merge(values map[string]any) {
	if err := l.merged.Load(confmap.Provider(values, ""), nil); err != nil {
		l.errs = append(l.errs, fmt.Errorf("merge the configuration: %w", err))
	}
}

// fail records a mistake at a place, such as "config.toml: redis.url" or "environment SGSTREAMD_REDIS__URL".
func (l *loader) fail(place, format string, args ...any) {
	l.errs = append(l.errs, errors.New(oneSafeLine(place+": "+fmt.Sprintf(format, args...))))
}

// decode fills the merged values over the defaults.
func (l *loader) decode() Config {
	c := Default()
	l.unmarshal("", &c)
	for _, name := range l.merged.MapKeys("plugins") {
		if l.schema.fields["plugins"].fields[name] == nil {
			c.Plugins.ByName[name] = l.plugin("plugins" + delim + name)
		}
	}
	return c
}

// plugin fills the table of a plugin, and those of its secrets, over their defaults.
func (l *loader) plugin(path string) host.PluginConfig {
	p := host.DefaultPlugin()
	l.unmarshal(path, &p)
	for _, id := range l.merged.MapKeys(path + delim + "secrets") {
		secret := host.DefaultSecret()
		l.unmarshal(path+delim+"secrets"+delim+id, &secret)
		p.Secrets[id] = secret
	}
	return p
}

func (l *loader) unmarshal(path string, into any) {
	err := l.merged.UnmarshalWithConf(path, into, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		TagName: tag,
		// Without these two, a plugin named "DIR" or "byname" would be taken for a field of Plugins.
		MatchName:            func(key, field string) bool { return key == field },
		IgnoreUntaggedFields: true,
	}})
	if err != nil {
		l.errs = append(l.errs, fmt.Errorf("decode the configuration: %w", err))
	}
}

// validate asks each table's owner whether its values can be, and names the source of those that can't.
func (l *loader) validate(c *Config) {
	l.blame("redis", c.Redis.Validate())
	l.blame("inbound", c.Inbound.Validate())
	l.blame("outbound", c.Outbound.Validate())
	l.blame("dead_letters", c.DeadLetters.Validate())
	l.blame("state", c.State.Validate())
	l.blame("plugins", c.Plugins.Validate())
	for _, name := range slices.Sorted(maps.Keys(c.Plugins.ByName)) {
		p := c.Plugins.ByName[name]
		l.blame("plugins."+name, p.Validate())
	}
	l.blame("drain", c.Drain.Validate())
	l.blame("admin", c.Admin.Validate())
	l.blame("log", c.Log.Validate())
}

// blame records a table's mistakes. Each begins with the key below the table.
func (l *loader) blame(table string, err error) {
	if err == nil {
		return
	}
	mistakes := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		mistakes = joined.Unwrap()
	}
	for _, m := range mistakes {
		l.fail(l.originOf(table, m.Error()), "%s.%s", table, m)
	}
}

// originOf returns the source of the key that a mistake begins with. Where that key has its default,
// the mistake is in how it meets another one, and the first that is named and was set is the culprit. If none was, it
// is in what the table lacks that the operator has named.
func (l *loader) originOf(table, mistake string) string {
	origin, first, longest := "default", len(mistake), 0
	for key, from := range l.origins {
		below, ok := strings.CutPrefix(key, table+".")
		at := strings.Index(" "+mistake+" ", " "+below+" ")
		if !ok || at < 0 {
			continue
		}
		if at < first || at == first && len(below) > longest {
			origin, first, longest = from, at, len(below)
		}
	}
	if longest > 0 {
		return origin
	}
	for named, from := range l.tables {
		if strings.HasPrefix(table+"."+mistake, named+".") && len(named) > longest {
			origin, longest = from, len(named)
		}
	}
	return origin
}
