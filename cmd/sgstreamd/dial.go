package main

import (
	"github.com/sgstreamd/sgstreamd/consumer"
)

// dial makes a client for the commands that talk to Redis beside a daemon. An embedded server is looked for where a
// daemon on this machine would have it.
func dial(c consumer.RedisConfig) (consumer.Client, error) {
	if c.URL == consumer.Embedded {
		c.URL = "redis://" + c.EmbeddedListen + "/0"
	}
	return consumer.Dial(c, 0)
}
