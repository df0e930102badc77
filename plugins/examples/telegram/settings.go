package main

import (
	"strings"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

// settings are the operator's. The manifest's schema says what they may be; here are the defaults again.
type settings struct {
	baseURL    string
	parseMode  string
	previews   bool
	whenUnsure string
	maxParts   int
}

// reject is the value of when_unsure that delivers nothing twice.
const reject = "reject"

func defaults() settings {
	return settings{baseURL: "https://api.telegram.org", previews: true, whenUnsure: "send", maxParts: 10}
}

func (a *adapter) configure(config sgs.Map) error {
	a.settings = defaults()
	if url := config.Text("base_url"); url != "" {
		a.settings.baseURL = strings.TrimRight(url, "/")
	}
	a.settings.parseMode = config.Text("parse_mode")
	if previews, ok := config["link_previews"].(bool); ok {
		a.settings.previews = previews
	}
	if when := config.Text("when_unsure"); when != "" {
		a.settings.whenUnsure = when
	}
	if n := config.Int("max_parts"); n > 0 {
		a.settings.maxParts = int(n)
	}
	return nil
}
