// Package granted makes the configuration that grants a module what its manifest asks for, for the tools that try a
// plugin out. An operator decides on that; here nothing leaves the machine.
package granted

import (
	"strings"
	"time"

	"github.com/alecthomas/units"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
)

// To grants a module its hosts, state and limits, with this configuration of the plugin's own. A host that the
// configuration should name and does not is left to the host to refuse.
func To(in host.Inspection, config map[string]any) host.PluginConfig {
	cfg := host.DefaultPlugin()
	cfg.Config = config
	if least, err := units.ParseBase2Bytes(in.Manifest.Limits.Memory); err == nil {
		cfg.MemoryLimit = max(cfg.MemoryLimit, least)
	}
	if least, err := time.ParseDuration(in.Manifest.Limits.Timeout); err == nil {
		cfg.Timeout = max(cfg.Timeout, least)
	}
	if asked, err := in.AskedHosts(config); err == nil {
		cfg.HTTP.Origins = asked
	}
	return cfg
}

// Secrets grants every secret that the manifest asks for: the same one, which the file holds, each in a header field of
// its own. Without a host there is nowhere that it could go to.
func Secrets(cfg *host.PluginConfig, in host.Inspection, file string) {
	for _, id := range in.Manifest.Secrets {
		if len(cfg.HTTP.Origins) == 0 {
			return
		}
		id = strings.TrimSuffix(id, abi.OptionalMark)
		s := host.DefaultSecret()
		s.File, s.Origins, s.Header, s.Format = file, cfg.HTTP.Origins, "X-"+strings.ReplaceAll(id, "_", "-"), "{secret}"
		cfg.Secrets[id] = s
	}
}
