package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// Manifest is what a module says of itself. A module without one has the codec json and may serve as
// either kind.
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
}

// ParseManifest reads the contents of a ManifestSection: one JSON object in UTF-8, whose keys are those of
// Manifest, spelt exactly so and none of them twice, and whose values are text. A nil section is a module
// without one. A key that this version does not know is an error, since the module may rely on what it asks for.
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
	d := json.NewDecoder(bytes.NewReader(section))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("is %s, must be a JSON object", found(t, err))
	}
	if err := m.members(d); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more follows after the JSON object")
	}
	if m.Codec != CodecJSON && m.Codec != CodecMsgpack {
		return fmt.Errorf("codec %.100q is not one of %s, %s", m.Codec, CodecJSON, CodecMsgpack)
	}
	if m.Kind != "" && m.Kind != KindProcessor && m.Kind != KindAdapter {
		return fmt.Errorf("kind %.100q is not one of %s, %s", m.Kind, KindProcessor, KindAdapter)
	}
	return nil
}

// members reads the object up to its end. encoding/json alone would take "Codec" for "codec", the last of two
// equal keys, and null for anything.
func (m *Manifest) members(d *json.Decoder) error {
	fields := map[string]*string{
		"name": &m.Name, "version": &m.Version, "description": &m.Description, "kind": &m.Kind, "codec": &m.Codec,
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		key, isText := t.(string)
		field := fields[key]
		switch {
		case err != nil || !isText:
			return fmt.Errorf("is not JSON: %s where a key is wanted", found(t, err))
		case field == nil:
			return fmt.Errorf("unknown key %.100q; the keys are codec, description, kind, name, version", key)
		case seen[key]:
			return fmt.Errorf("the key %q is there twice; remove one", key)
		}
		seen[key] = true
		t, err = d.Token()
		if *field, isText = t.(string); err != nil || !isText {
			return fmt.Errorf("%s is %s, must be text", key, found(t, err))
		}
	}
	if t, err := d.Token(); err != nil {
		return fmt.Errorf("is not JSON: %s where the object should end", found(t, err))
	}
	return nil
}

// found says what a token, or the lack of one, is.
func found(t json.Token, err error) string {
	switch t := t.(type) {
	case json.Delim:
		return map[json.Delim]string{'{': "an object", '[': "a list"}[t]
	case string:
		return "text"
	case json.Number:
		return "a number"
	case bool:
		return "a truth value"
	}
	switch {
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return "cut short"
	case err != nil:
		return "malformed (" + err.Error() + ")"
	}
	return "null"
}
