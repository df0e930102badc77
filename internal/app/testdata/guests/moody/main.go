// Command moody is a processor for tests: the message tells it how to behave.
package main

import (
	"errors"
	"io"
	"strings"
	"time"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

func init() { sgs.Handle(behave) }

func main() {}

func behave(c *sgs.Call) error {
	content := c.Message.Text("content")
	mood, rest, _ := strings.Cut(content, " ")
	switch mood {
	case "retry":
		return errors.New("asked to fail")
	case "reject":
		return sgs.Reject("asked to reject")
	case "drop":
		return sgs.Drop()
	case "panic":
		panic("asked to panic")
	case "loop":
		for {
		}
	case "sleep":
		d, err := time.ParseDuration(rest)
		if err != nil {
			return err
		}
		c.Info("sleeping")
		time.Sleep(d)
	case "count":
		if err := c.Count(rest, 1); err != nil {
			return sgs.Reject(err.Error())
		}
	case "fetch":
		text, err := fetch(c, rest)
		if err != nil {
			return err
		}
		return c.Reply(text)
	}
	return c.Reply(content)
}

// fetch asks for a URL with the secret key, and logs what arrives when it arrives.
func fetch(c *sgs.Call, url string) (string, error) {
	r, err := c.HTTP.Do(sgs.Request{URL: url, Secrets: []string{"key"}})
	if err != nil {
		return "", err
	}
	var text strings.Builder
	piece := make([]byte, 4096)
	for {
		n, err := r.Body.Read(piece)
		text.Write(piece[:n])
		switch {
		case err == io.EOF:
			return text.String(), nil
		case err != nil:
			return "", err
		}
		c.Info("arrived: " + string(piece[:n]))
	}
}
