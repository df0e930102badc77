package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// ManifestSection is the name of the custom section that holds a module's Manifest as JSON.
const ManifestSection = "sgs_manifest"

// Names of the codecs that a manifest can choose.
const (
	// CodecJSON is the default; binary values travel as {"$binary": base64}.
	CodecJSON = "json"
	// CodecMsgpack hands the payload over byte for byte.
	CodecMsgpack = "msgpack"
)

// Kinds of plugin that a manifest can name.
const (
	// KindProcessor answers inbound messages.
	KindProcessor = "processor"
	// KindAdapter delivers outbound messages to a platform.
	KindAdapter = "adapter"
)

// Manifest is what a module says of itself and asks for. A module without one has the codec json, may serve as
// either kind, and takes what the operator grants.
type Manifest struct {
	// Name and Version are for people and logs; the plugin's name in the configuration is its file's.
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	// Description is one line for people.
	Description string `json:"description,omitempty"`
	// Kind is KindProcessor, KindAdapter, or empty for either.
	Kind string `json:"kind,omitempty"`
	// Codec is CodecJSON or CodecMsgpack; ParseManifest sets it to CodecJSON where it is absent.
	Codec string `json:"codec,omitempty"`
	// Hosts are the origins that the module makes requests to, as the operator writes them in http.origins, or
	// ConfigHost and the key of its configuration that holds a URL. It reaches no other. Nil asks for what the operator
	// grants, whatever that is; an empty list for nothing.
	Hosts []string `json:"hosts,omitzero"`
	// Secrets are the ids of the secrets that the module puts into its requests; one with OptionalMark at its end
	// may be missing. It gets no other. Nil asks for what the operator grants.
	Secrets []string `json:"secrets,omitzero"`
	// State says whether the module keeps state; one that says no gets none. Nil asks for what the operator grants.
	State *bool `json:"state,omitempty"`
	// Limits are what the module needs at least.
	Limits Limits `json:"limits,omitzero"`
	// Config is a JSON Schema (draft 2020-12) of the module's configuration; nil says nothing of it.
	Config json.RawMessage `json:"config,omitempty"`
}

// Limits are what a module needs at least of what the operator limits. Empty is any.
type Limits struct {
	// Memory is the linear memory of an instance: a whole number and KiB, MiB or GiB.
	Memory string `json:"memory,omitempty"`
	// Timeout is the time for one call, in the form of time.ParseDuration.
	Timeout string `json:"timeout,omitempty"`
}

const (
	// ConfigHost before a key of the configuration, in Manifest.Hosts, stands for the origin of the URL at that key.
	ConfigHost = "config:"
	// OptionalMark behind an id in Manifest.Secrets says that the module does without, if it must.
	OptionalMark = "?"
)

// ParseManifest reads the contents of a ManifestSection: one JSON object in UTF-8, whose keys are those of
// Manifest, spelt exactly so and none of them twice. A nil section is a module without one. A key that this
// version does not know is an error, since the module may rely on what it asks for.
func ParseManifest(section []byte) (Manifest, error) {
	m := Manifest{Codec: CodecJSON}
	if section == nil {
		return m, nil
	}
	if err := m.parse(section); err != nil {
		return Manifest{}, fmt.Errorf("custom section %s: %w", ManifestSection, err)
	}
	return m, nil
}

func (m *Manifest) parse(section []byte) error {
	if !utf8.Valid(section) {
		return errors.New("is not UTF-8")
	}
	limits := fields{"memory": textField(&m.Limits.Memory), "timeout": textField(&m.Limits.Timeout)}
	err := fields{
		"name": textField(&m.Name), "version": textField(&m.Version), "description": textField(&m.Description),
		"kind": textField(&m.Kind), "codec": textField(&m.Codec), "hosts": listField(&m.Hosts), "secrets": listField(&m.Secrets),
		"state":  {"true or false", func(v []byte) error { return json.Unmarshal(v, &m.State) }},
		"limits": {"an object", limits.read},
		"config": {"an object", func(v []byte) error { m.Config = v; return nil }},
	}.read(section)
	if err != nil {
		return err
	}
	return m.check()
}

// memoryText is what Limits.Memory may be. It is text, and compiled where it is used: a variable of the package would put
// regexp into every Go plugin, at 270 KB a module and its compilation at each instance's start.
const memoryText = `^[1-9][0-9]{0,9}(KiB|MiB|GiB)$`

func (m *Manifest) check() error {
	if m.Codec != CodecJSON && m.Codec != CodecMsgpack {
		return fmt.Errorf("codec %.100q is not one of %s, %s", m.Codec, CodecJSON, CodecMsgpack)
	}
	if m.Kind != "" && m.Kind != KindProcessor && m.Kind != KindAdapter {
		return fmt.Errorf("kind %.100q is not one of %s, %s", m.Kind, KindProcessor, KindAdapter)
	}
	if t := m.Limits.Memory; t != "" && !regexp.MustCompile(memoryText).MatchString(t) {
		return fmt.Errorf(`limits.memory is %.100q; write a size such as "16MiB"`, t)
	}
	if t := m.Limits.Timeout; t != "" {
		if d, err := time.ParseDuration(t); err != nil || d <= 0 {
			return fmt.Errorf(`limits.timeout is %.100q; write a duration such as "30s"`, t)
		}
	}
	return nil
}

// field is a key that an object may have.
type field struct {
	want string // what its value must be, in the words of found
	set  func(value []byte) error
}

func textField(to *string) field {
	return field{"text", func(v []byte) error { return json.Unmarshal(v, to) }}
}

func listField(to *[]string) field {
	return field{"a list", func(v []byte) error {
		*to = []string{}
		var items []json.RawMessage
		if err := json.Unmarshal(v, &items); err != nil {
			return err
		}
		for _, item := range items {
			var s string
			if kind := found(item); kind != "text" {
				return fmt.Errorf("holds %s, must hold text", kind)
			}
			if err := json.Unmarshal(item, &s); err != nil {
				return err
			}
			*to = append(*to, s)
		}
		return nil
	}}
}

// fields are the keys that an object may have.
type fields map[string]field

// read reads one object. encoding/json alone would take "Codec" for "codec", the last of two equal keys, and null
// for anything.
func (fs fields) read(doc []byte) error {
	d := json.NewDecoder(bytes.NewReader(doc))
	switch t, err := d.Token(); {
	case err != nil:
		return fmt.Errorf("is %s, must be a JSON object", broken(err))
	case t != json.Delim('{'):
		return fmt.Errorf("is %s, must be a JSON object", found(doc))
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		key, isText := t.(string)
		f, known := fs[key]
		switch {
		case err != nil || !isText:
			return fmt.Errorf("is not JSON: %s where a key is wanted", broken(err))
		case !known:
			return fmt.Errorf("unknown key %.100q; the keys are %s", key, strings.Join(slices.Sorted(maps.Keys(fs)), ", "))
		case seen[key]:
			return fmt.Errorf("the key %q is there twice; remove one", key)
		}
		seen[key] = true
		if err := f.read(key, d); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("is not JSON: %s where the object should end", broken(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more follows after the JSON object")
	}
	return nil
}

func (f field) read(key string, d *json.Decoder) error {
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		return fmt.Errorf("%s is %s, must be %s", key, broken(err), f.want)
	}
	if kind := found(value); kind != f.want {
		return fmt.Errorf("%s is %s, must be %s", key, kind, f.want)
	}
	if err := f.set(value); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// broken says what is wrong with JSON that can't be read. Without an error, a value stands where it must not.
func broken(err error) string {
	switch err {
	case nil:
		return "a value"
	case io.EOF, io.ErrUnexpectedEOF:
		return "cut short"
	}
	return "malformed (" + err.Error() + ")"
}

// found says what a value is, of which there is at least the beginning.
func found(value []byte) string {
	switch b := bytes.TrimLeft(value, " \t\r\n")[0]; b {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "text"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}
