// Command parrot is a processor for tests: it answers with what it was told, and hands back the field x, in
// which the other side has put a value of every type.
package main

import sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"

func init() { sgs.Handle(repeat) }

func main() {}

func repeat(c *sgs.Call) error {
	reply := sgs.Reply(c.Message, c.Message.Text("content"))
	reply.Payload["x"] = c.Message.Payload.Raw("x")
	return c.Emit(reply)
}
