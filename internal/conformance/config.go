package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// schema is what an example is made from.
type schema struct {
	Type       any               `json:"type"`
	Const      any               `json:"const"`
	Default    any               `json:"default"`
	Enum       []any             `json:"enum"`
	Examples   []any             `json:"examples"`
	Format     string            `json:"format"`
	Minimum    *float64          `json:"minimum"`
	MinLength  int               `json:"minLength"`
	MinItems   int               `json:"minItems"`
	Required   []string          `json:"required"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
}

func parseSchema(doc []byte) schema {
	var s schema
	if len(doc) > 0 {
		_ = json.Unmarshal(doc, &s) // of a schema of another form, nothing is known
	}
	return s
}

// exampleOf is a configuration that a schema allows, as far as that can be guessed: the keys that it requires.
func exampleOf(doc []byte) map[string]any {
	s := parseSchema(doc)
	example, _ := s.example("").(map[string]any)
	if example == nil {
		example = map[string]any{}
	}
	return example
}

func (s schema) example(name string) any {
	switch {
	case s.Const != nil:
		return s.Const
	case len(s.Examples) > 0:
		return s.Examples[0]
	case s.Default != nil:
		return s.Default
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	kind, _ := s.Type.(string)
	switch kind {
	case "boolean":
		return false
	case "integer", "number":
		if s.Minimum != nil {
			return int64(*s.Minimum)
		}
		return int64(1)
	case "array":
		list := []any{}
		for s.Items != nil && len(list) < s.MinItems {
			list = append(list, s.Items.example(name))
		}
		return list
	case "string":
		if s.Format == "uri" || strings.Contains(name, "url") {
			return "https://example.org/v1"
		}
		return "x" + strings.Repeat("x", max(s.MinLength-1, 0))
	}
	object := map[string]any{}
	for _, key := range s.Required {
		object[key] = s.Properties[key].example(key)
	}
	return object
}

// configurations hands the plugin what its schema would keep from it: the schema is for the operator, and a plugin may be
// built without it. It may refuse what it is given, and that has to be with a reason.
func configurations(ctx context.Context, k *kit) (string, error) {
	if !slices.ContainsFunc(k.in.Exports, func(f host.Function) bool { return f.Name == abi.ExportConfigure }) {
		return "takes none", nil
	}
	module, err := k.withoutSchema()
	if err != nil {
		return "", err
	}
	keys := maps.Clone(k.config)
	for key := range parseSchema(k.in.Manifest.Config).Properties {
		if _, ok := keys[key]; !ok {
			keys[key] = nil
		}
	}
	try := func(what string, config map[string]any) error {
		err := k.with(ctx, &world{module: module, config: config}, func(p *plugin) error { return p.handle(ctx, message(encode(p.payload()))) })
		if errors.Is(err, host.ErrRefused) && !strings.Contains(err.Error(), "no reason given") {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
	if err := try("no configuration", map[string]any{}); err != nil {
		return "", err
	}
	if err := try("unknown keys", map[string]any{"unknown": 1, "unknown-2": map[string]any{"a": []any{}}}); err != nil {
		return "", err
	}
	oddValues := odd()
	delete(oddValues, "binary") // a configuration is TOML
	delete(oddValues, "nil")
	delete(oddValues, "a list")
	oddValues["a list"] = []any{int64(1), "x", map[string]any{}}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		for _, name := range slices.Sorted(maps.Keys(oddValues)) {
			config := maps.Clone(k.config)
			config[key] = oddValues[name]
			if err := try(key+" being "+name, config); err != nil {
				return "", err
			}
		}
	}
	return "", nil
}

// withoutSchema is a copy of the module whose manifest says nothing of the configuration, nor of hosts in it.
func (k *kit) withoutSchema() (string, error) {
	module, err := os.ReadFile(k.o.Module)
	if err != nil {
		return "", err
	}
	m := k.in.Manifest
	m.Config, m.Hosts = nil, nil
	doc, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	if module, err = toolchain.WithManifest(module, doc); err != nil {
		return "", err
	}
	path := filepath.Join(k.o.Scratch, k.in.Name+".wasm")
	return path, os.WriteFile(path, module, 0o600)
}
