package main

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/webapi"
)

// judge says what an answer means: nil where done.
func judge(answer *webapi.Answer) error {
	f := &webapi.Failure{Outcome: webapi.Refused, Reason: describe(answer)}
	switch {
	case answer.Status == 200 && answer.Body.Bool("ok"):
		return nil
	case answer.Status/100 == 2:
		f.Outcome, f.Reason = webapi.Unsure, "answered "+strconv.Itoa(answer.Status)+", but not as Telegram does; is base_url right?"
	case answer.Status == 429:
		f.Outcome = webapi.Later
		f.After = cmp.Or(webapi.Seconds(answer.Body.Map("parameters").Float("retry_after")), webapi.RetryAfter(answer.Header), time.Second)
	case answer.Status >= 500, answer.Status == 408:
		f.Outcome, f.After = webapi.Unsure, webapi.RetryAfter(answer.Header)
	}
	return f
}

// isParseError tells whether Telegram does not understand the markup of a text.
func isParseError(answer *webapi.Answer) bool {
	return answer.Status == 400 && strings.Contains(answer.Body.Text("description"), "can't parse entities")
}

// describe is what Telegram says is wrong.
func describe(answer *webapi.Answer) string {
	text := strconv.Itoa(answer.Status)
	if message := cmp.Or(answer.Body.Text("description"), answer.Text); message != "" {
		text += ": " + message
	}
	return text
}
