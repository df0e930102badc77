package main

import (
	"cmp"
	"strconv"
	"time"

	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/webapi"
)

// judge says what an answer means: nil where done.
func judge(answer *webapi.Answer, done bool) error {
	f := &webapi.Failure{Outcome: webapi.Refused, Reason: describe(answer)}
	switch {
	case answer.Status/100 == 2 && done:
		return nil
	case answer.Status/100 == 2:
		f.Outcome, f.Reason = webapi.Unsure, "answered "+strconv.Itoa(answer.Status)+", but not as a homeserver does; is base_url right?"
	case answer.Status == 429:
		f.Outcome = webapi.Later
		f.After = cmp.Or(webapi.RetryAfter(answer.Header), webapi.Seconds(answer.Body.Float("retry_after_ms")/1000), time.Second)
	case answer.Status >= 500, answer.Status == 408:
		f.Outcome, f.After = webapi.Unsure, webapi.RetryAfter(answer.Header)
	}
	return f
}

// describe is what the homeserver says is wrong.
func describe(answer *webapi.Answer) string {
	text := strconv.Itoa(answer.Status)
	if code := answer.Body.Text("errcode"); code != "" {
		text += " " + code
	}
	if message := cmp.Or(answer.Body.Text("error"), answer.Text); message != "" {
		text += ": " + message
	}
	return text
}
