package abi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
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

// ParseManifest reads the contents of a ManifestSection. A nil section is a module without one. A key
// that this version does not know is an error, since the module may rely on what it asks for.
func ParseManifest(section []byte) (Manifest, error) {
	m := Manifest{Codec: CodecJSON}
	if section == nil {
		return m, nil
	}
	d := json.NewDecoder(bytes.NewReader(section))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("custom section %s: %w", ManifestSection, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Manifest{}, fmt.Errorf("custom section %s: more follows after the JSON object", ManifestSection)
	}
	if m.Codec != CodecJSON && m.Codec != CodecMsgpack {
		return Manifest{}, fmt.Errorf("custom section %s: codec %q is not one of %s, %s", ManifestSection, m.Codec, CodecJSON, CodecMsgpack)
	}
	if m.Kind != "" && m.Kind != KindProcessor && m.Kind != KindAdapter {
		return Manifest{}, fmt.Errorf("custom section %s: kind %q is not one of %s, %s", ManifestSection, m.Kind, KindProcessor, KindAdapter)
	}
	return m, nil
}
