package main

import (
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

// ops are the steps that the call goes on after. Each returns its report.
var ops = map[string]func(*sgs.Call, sgs.Map) (string, error){
	"message": describe,
	"copy":    hand,
	"text": func(c *sgs.Call, step sgs.Map) (string, error) {
		return textAt(c.Message.Payload, step.List("path")), nil
	},
	"log": write,
	"emit": func(c *sgs.Call, step sgs.Map) (string, error) {
		return "OK", c.Emit(sgs.Emit{Platform: step.Text("platform"), Stream: step.Text("stream"), Payload: sgs.Map{"text": step.Text("text")}})
	},
	"get": get,
	"set": set,
	"delete": func(c *sgs.Call, step sgs.Map) (string, error) {
		return "OK", c.State.Delete(step.Text("key"))
	},
	"count": func(c *sgs.Call, step sgs.Map) (string, error) {
		return "OK", c.Count(step.Text("name"), step.Int("n"))
	},
	"config": func(_ *sgs.Call, step sgs.Map) (string, error) { return textAt(config, []any{step.Text("key")}), nil },
	"deadline": func(c *sgs.Call, _ sgs.Map) (string, error) {
		left := time.Until(c.Deadline())
		return strconv.FormatBool(left > 0 && left <= time.Hour), nil
	},
	"http":   fetch,
	"events": listen,
	"json":   rewrite,
}

func describe(c *sgs.Call, _ sgs.Map) (string, error) {
	m := c.Message
	return strings.Join([]string{
		m.Stream, m.ID, strconv.FormatInt(m.Attempt, 10), strconv.FormatInt(int64(math.Round(m.TS*1000)), 10), m.TraceID, m.Platform, m.ChannelKey,
		strconv.FormatBool(m.MaybeDelivered),
	}, "|"), nil
}

func hand(c *sgs.Call, step sgs.Map) (string, error) {
	return silent, c.Emit(sgs.Emit{Platform: c.Message.Platform, Payload: sgs.Map{
		"platform": c.Message.Platform, "value": c.Message.Payload.Raw(step.Text("key")),
	}})
}

// textAt follows a path of keys and indices.
func textAt(o sgs.Object, path []any) string {
	var at any = o
	for _, step := range path {
		switch step := step.(type) {
		case string:
			o, ok := at.(sgs.Object)
			if !ok {
				return "-"
			}
			at = o.Value(step)
		case int64:
			list, _ := at.([]any)
			if step < 0 || step >= int64(len(list)) {
				return "-"
			}
			at = list[step]
		}
	}
	if text, ok := at.(string); ok {
		return text
	}
	return "-"
}

func write(c *sgs.Call, step sgs.Map) (string, error) {
	levels := []func(string){c.Debug, c.Info, c.Warn, c.Error}
	levels[min(step.Uint("level"), 3)](step.Text("text"))
	return silent, nil
}

func get(c *sgs.Call, step sgs.Map) (string, error) {
	value, found, err := c.State.Get(step.Text("key"))
	if err == nil && !found {
		return "-", nil
	}
	return string(value), err
}

func set(c *sgs.Call, step sgs.Map) (string, error) {
	key, value := step.Text("key"), []byte(step.Text("value"))
	if step["ttl_ms"] == nil || step.Int("ttl_ms") == 0 {
		return "OK", c.State.Set(key, value)
	}
	return "OK", c.State.SetTTL(key, value, time.Duration(step.Int("ttl_ms"))*time.Millisecond)
}

func fetch(c *sgs.Call, step sgs.Map) (string, error) {
	request := sgs.Request{Method: step.Text("method"), URL: step.Text("url"), Header: map[string]string{}}
	if body, ok := step["body"].(string); ok {
		request.Body = []byte(body)
	}
	for name, value := range step.Map("headers") {
		request.Header[name], _ = value.(string)
	}
	for _, id := range step.List("secrets") {
		text, _ := id.(string)
		request.Secrets = append(request.Secrets, text)
	}
	response, err := c.HTTP.Do(request)
	if err != nil {
		return "", err
	}
	var body strings.Builder
	piece := make([]byte, 16)
	for err == nil {
		var n int
		n, err = response.Body.Read(piece)
		body.Write(piece[:n])
	}
	if err != io.EOF {
		return "", err
	}
	mark := response.Header.Get("x-probe")
	if mark == "" {
		mark = "-"
	}
	return strconv.Itoa(response.Status) + "|" + mark + "|" + body.String(), nil
}

func listen(c *sgs.Call, step sgs.Map) (string, error) {
	response, err := c.HTTP.Get(step.Text("url"))
	if err != nil {
		return "", err
	}
	var data []string
	for event, err := range sgs.Events(response.Body) {
		if err != nil {
			return "", err
		}
		data = append(data, event.Data)
	}
	return strings.Join(data, ","), nil
}

func rewrite(_ *sgs.Call, step sgs.Map) (string, error) {
	v, err := sgs.ParseValue([]byte(step.Text("text")))
	if err != nil {
		return "invalid", nil
	}
	out, err := sgs.AppendJSON(nil, v)
	return string(out), err
}
