// Command go is the probe of the Go SDK: a message's steps say what it is to do, and what came of them is its answer.
// There is one in each language, and all behave alike.
package main

import (
	"errors"
	"strings"
	"time"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

var config sgs.Map

func init() {
	sgs.Configure(func(m sgs.Map) error {
		if why := m.Text("refuse"); why != "" {
			return errors.New(why)
		}
		config = m
		return nil
	})
	sgs.Handle(probe)
	sgs.OnStop(func(c *sgs.Call) { c.Info("stopped") })
}

func main() {}

// probe does one step after the other.
func probe(c *sgs.Call) error {
	var reports []string
	for _, v := range c.Message.Payload.List("steps") {
		step, _ := v.(sgs.Map)
		if end, ok := verdicts[step.Text("op")]; ok {
			return end(step)
		}
		do, ok := ops[step.Text("op")]
		if !ok {
			return sgs.Reject("unknown op " + step.Text("op"))
		}
		report, err := do(c, step)
		if err != nil {
			report = errnoOf(err)
		}
		if report != silent {
			reports = append(reports, report)
		}
	}
	return c.Emit(sgs.Emit{Platform: c.Message.Platform, Payload: sgs.Map{
		"platform": c.Message.Platform, "channel_id": c.Message.Text("channel_id"), "type": "message", "text": strings.Join(reports, "\n"),
	}})
}

// verdicts are the steps that end the call.
var verdicts = map[string]func(sgs.Map) error{
	"retry": func(step sgs.Map) error {
		return sgs.Retry(time.Duration(step.Int("after_ms"))*time.Millisecond, step.Text("reason"))
	},
	"reject": func(step sgs.Map) error { return sgs.Reject(step.Text("reason")) },
	"drop":   func(sgs.Map) error { return sgs.Drop() },
	"fail":   func(step sgs.Map) error { return errors.New(step.Text("reason")) },
	"trap":   func(sgs.Map) error { panic("asked to trap") },
}

// silent is the report of a step that has none.
const silent = "\x00"

// errnoOf is the name of the number in an error of the SDK's, and the error's text for any other.
func errnoOf(err error) string {
	var emit *sgs.EmitError
	var host *sgs.HostError
	var http *sgs.HTTPError
	switch {
	case errors.As(err, &emit):
		return emit.Errno.String()
	case errors.As(err, &host):
		return host.Errno.String()
	case errors.As(err, &http):
		return http.Errno.String()
	}
	return err.Error()
}
