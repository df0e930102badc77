// Package guesttest builds plugins and runs them in a real host, for the tests of plugins and SDKs.
package guesttest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/envelope"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// Guest is a plugin in a host of its own.
type Guest struct {
	*host.Plugin
	// Log is what the plugin and the host have said, a line of JSON each.
	Log *Log
}

// Build builds the plugin in the folder, with its manifest, and returns the module's path.
func Build(t testing.TB, dir string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(dir)+".wasm")
	require.NoError(t, toolchain.Build(t.Context(), dir, out, io.Discard))
	return out
}

// Start loads a module under the name "p", with host.DefaultPlugin as change alters it, and makes its first instance.
// State is what the plugin has kept so far, by key; nil is nothing. What a call wants to write is in its verdict.
func Start(t testing.TB, module string, state map[string]string, change func(*host.PluginConfig)) *Guest {
	t.Helper()
	g, err := Load(t, module, state, change)
	require.NoError(t, err)
	require.NoError(t, g.Plugin.Start(t.Context()))
	return g
}

// Load is Start without the first instance, and with the error of a module that is refused.
func Load(t testing.TB, module string, state map[string]string, change func(*host.PluginConfig)) (*Guest, error) {
	t.Helper()
	g := &Guest{Log: &Log{}}
	h, err := host.New(t.Context(), host.Options{
		Codecs: envelope.Codecs(), State: kept(state),
		Log: slog.New(slog.NewJSONHandler(g.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.WithoutCancel(t.Context()))) })
	cfg := host.DefaultPlugin()
	if change != nil {
		change(&cfg)
	}
	g.Plugin, err = h.Load(t.Context(), "p", module, cfg, 1)
	return g, err
}

// Handle has the plugin handle a message whose payload is given as any value of maps, lists, text, numbers and bytes.
func (g *Guest) Handle(t testing.TB, m abi.Message, payload map[string]any) (abi.Verdict, error) {
	t.Helper()
	doc, err := msgp.AppendIntf(nil, payload)
	require.NoError(t, err)
	m.Payload = doc
	return g.Plugin.Handle(t.Context(), nil, &m)
}

// Payload is an emit's payload, decoded.
func Payload(t testing.TB, e abi.Emit) map[string]any {
	t.Helper()
	v, rest, err := msgp.ReadMapStrIntfBytes(e.Payload, nil)
	require.NoError(t, err)
	require.Empty(t, rest)
	return v
}

// kept is state that does not change.
type kept map[string]string

// Get implements host.State.
func (k kept) Get(_ context.Context, _, key string) ([]byte, bool, error) {
	value, ok := k[key]
	return []byte(value), ok, nil
}

// Log collects what is written to it. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is all that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
