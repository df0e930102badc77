package host

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	texts "golang.org/x/text/message"
)

// checkConfiguration holds the configuration, in JSON, against the schema of the manifest.
func (p *Plugin) checkConfiguration(configuration []byte) error {
	if p.manifest.Config == nil {
		return nil
	}
	schema, err := compileSchema(p.manifest.Config)
	if err != nil {
		return fmt.Errorf("its manifest's config is no JSON Schema that the host knows: %s", oneLine(err.Error()))
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(configuration))
	if err != nil {
		return fmt.Errorf("plugins.%s.config: %w", p.name, err)
	}
	var mistake *jsonschema.ValidationError
	switch err := schema.Validate(value); {
	case errors.As(err, &mistake):
		return fmt.Errorf("plugins.%s.config%s", p.name, describeMistake(mistake))
	case err != nil:
		return fmt.Errorf("plugins.%s.config: %w", p.name, err)
	}
	return nil
}

// compileSchema reads a schema. It refers to itself only: the compiler loads nothing, from no file and no network.
func compileSchema(doc []byte) (*jsonschema.Schema, error) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{})
	const name = "manifest:config"
	if err := c.AddResource(name, value); err != nil {
		return nil, err
	}
	return c.Compile(name)
}

// describeMistake says in one line which key is wrong, and how: the first of the innermost mistakes.
func describeMistake(e *jsonschema.ValidationError) string {
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	var path strings.Builder
	for _, key := range e.InstanceLocation {
		path.WriteString("." + key)
	}
	return oneLine(path.String() + ": " + e.ErrorKind.LocalizedString(texts.NewPrinter(language.English)))
}
