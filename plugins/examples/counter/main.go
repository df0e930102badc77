// Command counter is a processor plugin that answers every message with its number in its channel.
package main

import (
	"errors"
	"strconv"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

func init() { sgs.Handle(count) }

func main() {}

func count(c *sgs.Call) error {
	key := "count:" + c.Message.ChannelKey
	kept, found, err := c.State.Get(key)
	if err != nil {
		return err
	}
	n := uint64(0)
	if found {
		if n, err = strconv.ParseUint(string(kept), 10, 64); err != nil {
			return errors.New("state: " + key + " is no count: " + err.Error())
		}
	}
	n++
	if err := c.State.Set(key, strconv.AppendUint(nil, n, 10)); err != nil {
		return err
	}
	return c.Reply("message " + strconv.FormatUint(n, 10))
}
