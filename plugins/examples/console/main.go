// Command console is an adapter plugin that delivers messages to the daemon's log.
package main

import sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"

func init() { sgs.Handle(deliver) }

func main() {}

func deliver(c *sgs.Call) error {
	line := c.Message.Text("text")
	if kind := c.Message.Text("type"); kind != "message" {
		line = "(" + kind + ") " + line
	}
	c.Info(line)
	return nil
}
