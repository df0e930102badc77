package main

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/webapi"
)

// judge says what an answer means: nil where done. It remembers under the key until when the channel is to be left alone.
func (a *adapter) judge(answer *webapi.Answer, key string, done bool) error {
	reset, _ := strconv.ParseFloat(answer.Header.Get("x-ratelimit-reset-after"), 64)
	if answer.Header.Get("x-ratelimit-remaining") == "0" {
		a.limits.Note(key, webapi.Seconds(reset))
	}
	f := &webapi.Failure{Outcome: webapi.Refused, Reason: describe(answer)}
	switch {
	case answer.Status/100 == 2 && done:
		return nil
	case answer.Status/100 == 2:
		f.Outcome, f.Reason = webapi.Unsure, "answered "+strconv.Itoa(answer.Status)+", but not as Discord does; is base_url right?"
	case answer.Status == 429:
		f.Outcome = webapi.Later
		f.After = cmp.Or(webapi.Seconds(answer.Body.Float("retry_after")), webapi.RetryAfter(answer.Header), time.Second)
		if answer.Body.Bool("global") || answer.Header.Get("x-ratelimit-global") == "true" {
			a.limits.Note(global, f.After)
		}
	case answer.Status >= 500, answer.Status == 408:
		f.Outcome, f.After = webapi.Unsure, webapi.RetryAfter(answer.Header)
	}
	return f
}

// describe is what Discord says is wrong.
func describe(answer *webapi.Answer) string {
	text := strconv.Itoa(answer.Status)
	if message := cmp.Or(answer.Body.Text("message"), answer.Text); message != "" {
		text += ": " + strings.TrimPrefix(message, text+": ") // some of Discord's begin with the status
	}
	if code := answer.Body.Int("code"); code != 0 {
		text += " (code " + strconv.FormatInt(code, 10) + ")"
	}
	if detail := mistake(answer.Body.Map("errors"), ""); detail != "" {
		text += ": " + detail
	}
	return text
}

// mistake finds the first of the mistakes that Discord lists: each is in _errors below the keys that lead to it.
func mistake(m sgs.Map, path string) string {
	for _, v := range m.List("_errors") {
		if one, ok := v.(sgs.Map); ok {
			return path + ": " + one.Text("message")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		below := key
		if path != "" {
			below = path + "." + key
		}
		if found := mistake(m.Map(key), below); found != "" {
			return found
		}
	}
	return ""
}
