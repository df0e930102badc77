// Command console is an adapter plugin that delivers messages to the daemon's log.
package main

import (
	"strings"
	"unicode/utf8"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

// The daemon cuts a log line at 16 KiB. A line that goes on in the next one is longer than whole, and no other
// is: so a reader of the log can put the text together again.
const (
	most  = 16 << 10
	whole = most - utf8.UTFMax
)

func init() { sgs.Handle(deliver) }

func main() {}

func deliver(c *sgs.Call) error {
	text := c.Message.Text("text")
	if kind := c.Message.Text("type"); kind != "message" {
		text = "(" + kind + ") " + text
	}
	for len(text) > whole {
		line, rest := split(text)
		c.Info(line)
		text = rest
	}
	c.Info(text)
	return nil
}

// split cuts a long text at the last line break that is near enough, or else between two characters.
func split(text string) (line, rest string) {
	if end := strings.LastIndexByte(text[:whole+1], '\n'); end >= 0 {
		return text[:end], text[end+1:]
	}
	end := whole + 1
	for end < min(most, len(text)) && !utf8.RuneStart(text[end]) {
		end++
	}
	return text[:end], text[end:]
}
