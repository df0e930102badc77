// Package admin serves health, readiness and metrics to the operator's machinery.
package admin

import (
	"fmt"
	"net"
)

// Config is where the admin server listens.
type Config struct {
	// Listen is a TCP address such as "127.0.0.1:9464"; empty turns the server off.
	Listen string `koanf:"listen"`
}

// DefaultConfig returns the defaults of Config.
func DefaultConfig() Config { return Config{Listen: "127.0.0.1:9464"} }

// Validate returns an error that names an address which can't be listened on.
func (c *Config) Validate() error {
	if c.Listen == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf(`listen is %q, not host:port; write an address such as "127.0.0.1:9464", or "" to turn it off`, c.Listen)
	}
	return nil
}
