// Command matrix is an adapter plugin that delivers messages to Matrix rooms.
package main

import (
	"errors"
	"strconv"
	"strings"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/outbound"
	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/webapi"
)

func init() {
	a := &adapter{settings: defaults()}
	sgs.Configure(a.configure)
	sgs.Handle(a.deliver)
}

func main() {}

// adapter is the plugin: what the operator has set, and what this instance knows of the homeserver's limits.
type adapter struct {
	settings settings
	limits   webapi.Limits
}

// everything is the key of the limits: a homeserver limits what a user does, whatever the room.
const everything = "everything"

func (a *adapter) deliver(c *sgs.Call) error {
	m, err := outbound.Read(c.Message)
	switch {
	case err != nil:
		return sgs.Reject("matrix: " + err.Error())
	case !strings.HasPrefix(m.Channel, "!"):
		return sgs.Reject("matrix: channel_id is no room id, which begins with !; an alias has none of its own")
	case m.ReplyTo != "" && !strings.HasPrefix(m.ReplyTo, "$"):
		return sgs.Reject("matrix: reply_to and message_id are event ids, which begin with $")
	}
	if len(m.Embeds) > 0 {
		c.Warn("embeds are left out: Matrix has none")
	}
	events, err := a.settings.events(m)
	if err != nil {
		return sgs.Reject("matrix: " + err.Error())
	}
	for i, e := range events {
		// The first event is not waited for within the call: the message can wait on its stream. Later ones are, since
		// trying the message again sends the first ones again, which counts against the same limit.
		if err := a.send(c, m, e, i); err != nil {
			return verdict(err, " (part "+strconv.Itoa(i+1)+" of "+strconv.Itoa(len(events))+")")
		}
	}
	return nil
}

// send puts an event into the room. The homeserver knows it by its transaction id, and has it once.
func (a *adapter) send(c *sgs.Call, m *outbound.Message, e event, n int) error {
	if e.file != nil {
		url, err := a.upload(c, e.file, n > 0)
		if err != nil {
			return err
		}
		e.content["url"] = url
	}
	body, err := sgs.AppendJSON(nil, e.content)
	if err != nil {
		return &webapi.Failure{Outcome: webapi.Refused, Reason: err.Error()}
	}
	r := sgs.Request{
		Method: "PUT", Secrets: []string{"bot-token"}, Header: map[string]string{"Content-Type": "application/json"}, Body: body,
		URL: a.settings.baseURL + "/_matrix/client/v3/rooms/" + webapi.Segment(m.Channel) + "/send/" + e.kind + "/" + webapi.Key(m.Key) + "." + strconv.Itoa(n),
	}
	_, err = a.ask(c, r, n > 0 || e.file != nil, "event_id")
	return err
}

// upload gives a file to the homeserver, and returns the URI that events know it by.
func (a *adapter) upload(c *sgs.Call, f *outbound.File, patient bool) (string, error) {
	return a.ask(c, sgs.Request{
		Method: "POST", Secrets: []string{"bot-token"}, Header: map[string]string{"Content-Type": f.ContentType}, Body: f.Data,
		URL: a.settings.baseURL + "/_matrix/media/v3/upload?filename=" + webapi.Segment(f.Name),
	}, patient, "content_uri")
}

// ask makes a request, and returns what the answer has under the key.
func (a *adapter) ask(c *sgs.Call, r sgs.Request, patient bool, key string) (string, error) {
	var found string
	err := a.limits.Do(c, patient, func() error {
		answer, err := webapi.Do(c, r)
		if err != nil {
			return err
		}
		found = answer.Body.Text(key)
		return judge(answer, found != "")
	}, everything)
	return found, err
}

// verdict says what becomes of the message. What is not known to be done is done again: the transaction ids make that safe.
func verdict(err error, where string) error {
	var f *webapi.Failure
	if !errors.As(err, &f) {
		return err
	}
	reason := "matrix: " + f.Reason + where
	if f.Outcome == webapi.Refused {
		return sgs.Reject(reason)
	}
	return sgs.Retry(f.After, reason)
}
