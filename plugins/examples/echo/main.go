// Command echo is a processor plugin that answers every message with its own text.
package main

import sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"

func init() { sgs.Handle(echo) }

func main() {}

func echo(c *sgs.Call) error {
	return c.Reply(c.Message.Text("content"))
}
