package main

import (
	"strings"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

// settings are the operator's. The manifest's schema says what they may be; here are the defaults again.
type settings struct {
	baseURL  string
	mentions []any
	maxParts int
}

func defaults() settings {
	return settings{baseURL: "https://discord.com/api/v10", mentions: []any{}, maxParts: 10}
}

func (a *adapter) configure(config sgs.Map) error {
	a.settings = defaults()
	if url := config.Text("base_url"); url != "" {
		a.settings.baseURL = strings.TrimRight(url, "/")
	}
	if list := config.List("allowed_mentions"); list != nil {
		a.settings.mentions = list
	}
	if n := config.Int("max_parts"); n > 0 {
		a.settings.maxParts = int(n)
	}
	return nil
}
