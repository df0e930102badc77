package abi_test

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

func TestResultsSurvivePacking(t *testing.T) {
	t.Parallel()
	longest := (1<<32 - 1) * time.Millisecond
	for _, test := range []struct {
		status       abi.Status
		after, comes time.Duration
	}{
		{abi.StatusDone, 0, 0},
		{abi.StatusRetry, 90 * time.Second, 90 * time.Second},
		{abi.StatusReject, 1500 * time.Microsecond, time.Millisecond},
		{abi.StatusDrop, -time.Second, 0},
		{abi.StatusRetry, longest, longest},
		{abi.StatusRetry, longest + time.Millisecond, longest},
		{abi.StatusRetry, math.MaxInt64, longest},
		{math.MaxUint32, time.Millisecond, time.Millisecond},
	} {
		status, after := abi.UnpackResult(abi.PackResult(test.status, test.after))
		require.Equal(t, test.status, status)
		require.Equal(t, test.comes, after, "%v", test.after)
	}
}

// Guests in other languages pack it by hand.
func TestResultsLayout(t *testing.T) {
	t.Parallel()
	require.EqualValues(t, 0x00000001_000003e8, abi.PackResult(abi.StatusRetry, time.Second))
	status, after := abi.UnpackResult(0x00000003_ffffffff)
	require.Equal(t, abi.StatusDrop, status)
	require.Equal(t, (1<<32-1)*time.Millisecond, after)
}

func TestNamesOfTheContract(t *testing.T) {
	t.Parallel()
	for status, name := range map[abi.Status]string{0: "done", 1: "retry", 2: "reject", 3: "drop", 4: "status 4", math.MaxUint32: "status 4294967295"} {
		require.Equal(t, name, status.String())
	}
	for errno, name := range map[abi.Errno]string{
		0: "OK", -1: "EINVALID", -2: "EDENIED", -3: "ELIMIT", -4: "EFAULT", -5: "ECANCELLED", -6: "ENOTFOUND",
		-7: "EUNAVAILABLE", -8: "errno -8", 1: "errno 1",
	} {
		require.Equal(t, name, errno.String())
	}
}

func TestParseManifest(t *testing.T) {
	t.Parallel()
	for section, want := range map[string]abi.Manifest{
		`{}`:                      {Codec: "json"},
		" {\"codec\":\"json\"}\n": {Codec: "json"},
		`{"name":"n","version":"1","description":"d","kind":"adapter","codec":"msgpack"}`: {
			Name: "n", Version: "1", Description: "d", Kind: "adapter", Codec: "msgpack"},
		`{"kind":"","n\u0061me":"ü"}`:                         {Name: "ü", Codec: "json"},
		`{"hosts":[],"secrets":[],"state":false,"limits":{}}`: {Codec: "json", Hosts: []string{}, Secrets: []string{}, State: new(bool)},
		`{"hosts":["https://a.example","config:url"],"secrets":["a","b?"],"limits":{"memory":"16MiB","timeout":"1m"},"config":{"type": "object"}}`: {
			Codec: "json", Hosts: []string{"https://a.example", "config:url"}, Secrets: []string{"a", "b?"},
			Limits: abi.Limits{Memory: "16MiB", Timeout: "1m"}, Config: json.RawMessage(`{"type": "object"}`)},
	} {
		m, err := abi.ParseManifest([]byte(section))
		require.NoError(t, err, section)
		require.Equal(t, want, m, section)
	}
	m, err := abi.ParseManifest(nil)
	require.NoError(t, err)
	require.Equal(t, abi.Manifest{Codec: "json"}, m, "a module without one")
}

func TestParseManifestRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ section, want string }{
		"key in another case":      {`{"Codec":"msgpack"}`, `unknown key "Codec"; the keys are codec, config, description, hosts, kind, limits, name, secrets, state, version`},
		"unknown key":              {`{"codecs":"json"}`, `unknown key "codecs"; the keys are codec, config, description, hosts, kind, limits, name, secrets, state, version`},
		"key twice":                {`{"codec":"json","codec":"msgpack"}`, `the key "codec" is there twice; remove one`},
		"key twice, once escaped":  {`{"codec":"json","c\u006fdec":"msgpack"}`, `the key "codec" is there twice; remove one`},
		"null":                     {`null`, `is null, must be a JSON object`},
		"list":                     {`[]`, `is a list, must be a JSON object`},
		"text":                     {`"{}"`, `is text, must be a JSON object`},
		"nothing":                  {``, `is cut short, must be a JSON object`},
		"no JSON":                  {`codec`, `is malformed (invalid character 'c' looking for beginning of value), must be a JSON object`},
		"not UTF-8":                {"{\"name\":\"\xff\"}", `is not UTF-8`},
		"null for text":            {`{"name":null}`, `name is null, must be text`},
		"number for text":          {`{"version":1}`, `version is a number, must be text`},
		"object for text":          {`{"name":{}}`, `name is an object, must be text`},
		"truth value for text":     {`{"name":true}`, `name is true or false, must be text`},
		"number for a key":         {`{1:"json"}`, `is not JSON: malformed (invalid character '1') where a key is wanted`},
		"cut short":                {`{"name":"n"`, `is not JSON: cut short where the object should end`},
		"cut short within a value": {`{"name":`, `name is cut short, must be text`},
		"comma at the end":         {`{"name":"n",}`, `is not JSON: malformed (invalid character '}' looking for beginning of object key string) where a key is wanted`},
		"two objects":              {`{}{}`, `more follows after the JSON object`},
		"codec that is none":       {`{"codec":""}`, `codec "" is not one of json, msgpack`},
		"text for a list":          {`{"hosts":"https://a.example"}`, `hosts is text, must be a list`},
		"number in a list":         {`{"secrets":["a",1]}`, `secrets: holds a number, must hold text`},
		"null in a list":           {`{"secrets":[null]}`, `secrets: holds null, must hold text`},
		"text for a truth value":   {`{"state":"true"}`, `state is text, must be true or false`},
		"null for a truth value":   {`{"state":null}`, `state is null, must be true or false`},
		"unknown limit":            {`{"limits":{"cpu":"1s"}}`, `limits: unknown key "cpu"; the keys are memory, timeout`},
		"limit that is no text":    {`{"limits":{"memory":16}}`, `limits: memory is a number, must be text`},
		"memory that is none":      {`{"limits":{"memory":"16MB"}}`, `limits.memory is "16MB"; write a size such as "16MiB"`},
		"timeout that is none":     {`{"limits":{"timeout":"30"}}`, `limits.timeout is "30"; write a duration such as "30s"`},
		"timeout below zero":       {`{"limits":{"timeout":"-1s"}}`, `limits.timeout is "-1s"; write a duration such as "30s"`},
		"truth value for a schema": {`{"config":true}`, `config is true or false, must be an object`},
		"kind that is none":        {`{"kind":"Adapter"}`, `kind "Adapter" is not one of processor, adapter`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := abi.ParseManifest([]byte(test.section))
			require.EqualError(t, err, "custom section sgs_manifest: "+test.want)
			require.Zero(t, m)
		})
	}
}

// What is accepted is what it is for any other reader of JSON.
func FuzzParseManifest(f *testing.F) {
	for _, section := range []string{
		`{}`, `null`, `{"name":"n","version":"1","description":"d","kind":"adapter","codec":"msgpack"}`, `{"Codec":"json"}`,
		`{"codec":"json","codec":"json"}`, `{"name":"\ud800"}`, `{"name":1e999}`, `[[[[`, `{"name":"n",}`, "{\"name\":\"\xff\"}",
		`{"hosts":["https://a.example"],"secrets":[],"state":true,"limits":{"memory":"1MiB","timeout":"1s"},"config":{"type":"object"}}`,
	} {
		f.Add([]byte(section))
	}
	f.Fuzz(func(t *testing.T, section []byte) {
		m, err := abi.ParseManifest(section)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			require.Zero(t, m)
			return
		}
		if section == nil {
			return
		}
		var want map[string]any
		require.NoError(t, json.Unmarshal(section, &want))
		for key, value := range map[string]any{"name": m.Name, "version": m.Version, "description": m.Description, "kind": m.Kind, "codec": m.Codec} {
			if _, ok := want[key]; ok || value != map[string]any{"codec": "json"}[key] && value != "" {
				require.Equal(t, want[key], value, key)
			}
		}
		for key, list := range map[string][]string{"hosts": m.Hosts, "secrets": m.Secrets} {
			items, ok := want[key].([]any)
			require.Equal(t, ok, list != nil, key)
			require.Len(t, list, len(items))
		}
		again, err := json.Marshal(m)
		require.NoError(t, err)
		back, err := abi.ParseManifest(again)
		require.NoError(t, err)
		var schema, same bytes.Buffer // Marshal compacts it and escapes <, > and &
		json.HTMLEscape(&schema, compact(t, m.Config))
		json.HTMLEscape(&same, back.Config)
		require.Equal(t, schema.String(), same.String())
		m.Config, back.Config = nil, nil
		require.Equal(t, m, back)
	})
}

func compact(t *testing.T, doc []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if doc != nil {
		require.NoError(t, json.Compact(&b, doc))
	}
	return b.Bytes()
}
