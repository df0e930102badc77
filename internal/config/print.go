package config

import (
	"bytes"
	"fmt"
	"reflect"
	"time"

	"github.com/alecthomas/units"
	"github.com/knadh/koanf/parsers/toml/v2"

	"github.com/sgstreamd/sgstreamd/consumer"
)

// TOML returns the configuration as a TOML document that Load reads back, with every key and the
// passwords in redis.url replaced by xxxxx.
func (c Config) TOML() ([]byte, error) {
	c.Redis.URL = consumer.RedactedURL(c.Redis.URL)
	values := valuesOf(reflect.ValueOf(c)).(map[string]any)
	plugins := values["plugins"].(map[string]any)
	for name, p := range c.Plugins.ByName {
		plugins[name] = valuesOf(reflect.ValueOf(p))
	}
	doc, err := toml.Parser().Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("print the configuration: %w", err)
	}
	return append(bytes.TrimRight(doc, "\n"), '\n'), nil
}

// valuesOf returns what stands in a TOML document for a value.
func valuesOf(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		return durationText(x)
	case units.Base2Bytes:
		return x.String()
	}
	values := map[string]any{}
	switch {
	case v.Kind() == reflect.Map && v.Type().Elem().Kind() == reflect.Struct:
		for it := v.MapRange(); it.Next(); {
			values[it.Key().String()] = valuesOf(it.Value())
		}
		return values
	case v.Kind() != reflect.Struct:
		return v.Interface()
	}
	for key, field := range keysOf(v) {
		values[key] = valuesOf(field)
	}
	return values
}
