package inspect

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
)

func TestGrantIsWhatTheOperatorWrites(t *testing.T) {
	t.Parallel()
	state := true
	in := host.Inspection{Name: "bot", Manifest: abi.Manifest{
		Hosts: []string{"https://api.example.org", "config:base_url"}, Secrets: []string{"api-key", "other?"}, State: &state,
		Limits: abi.Limits{Memory: "128MiB", Timeout: "1m"},
		Config: []byte(`{"required":["model"],"properties":{"base_url":{"default":"https://llm.example.org/v1"}}}`),
	}}
	require.Equal(t, `  [plugins.bot]
  memory_limit = "128MiB"  # at least
  timeout = "1m"  # at least
  state = true  # it keeps state; true is the default
  [plugins.bot.http]
  origins = ["https://api.example.org", "https://llm.example.org"]
  # the origin of the URL in plugins.bot.config.base_url is one of them
  [plugins.bot.secrets.api-key]
  env = "API_KEY"  # or file
  origins = ["https://api.example.org", "https://llm.example.org"]
  [plugins.bot.secrets.other]  # it can do without
  env = "OTHER"  # or file
  origins = ["https://api.example.org", "https://llm.example.org"]
  [plugins.bot.config]
  model = …  # its schema requires it
`, Grant(in))
	require.Equal(t, "  nothing beyond the defaults\n", Grant(host.Inspection{Name: "bot"}))
}

func TestPrintKeepsTextOfTheModulesOnItsLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	in := host.Inspection{Name: "bot", HasManifest: true, Manifest: abi.Manifest{Description: "a \x1b[31m\nb"}}
	require.NoError(t, Print(&out, in))
	require.Contains(t, out.String(), `a \x1b[31m\nb`)
}
