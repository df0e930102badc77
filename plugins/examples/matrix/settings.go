package main

import (
	"strings"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

// settings are the operator's. The manifest's schema says what they may be; here are the defaults again.
type settings struct {
	baseURL  string
	msgtype  string
	markdown bool
	maxParts int
}

func defaults() settings {
	return settings{baseURL: "https://matrix-client.matrix.org", msgtype: "m.text", markdown: true, maxParts: 10}
}

func (a *adapter) configure(config sgs.Map) error {
	a.settings = defaults()
	if url := config.Text("base_url"); url != "" {
		a.settings.baseURL = strings.TrimRight(url, "/")
	}
	if msgtype := config.Text("msgtype"); msgtype != "" {
		a.settings.msgtype = msgtype
	}
	if markdown, ok := config["markdown"].(bool); ok {
		a.settings.markdown = markdown
	}
	if n := config.Int("max_parts"); n > 0 {
		a.settings.maxParts = int(n)
	}
	return nil
}
