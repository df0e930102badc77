// Command discord is an adapter plugin that delivers messages to Discord.
package main

import (
	"errors"
	"strconv"

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

// adapter is the plugin: what the operator has set, and what this instance knows of Discord's limits.
type adapter struct {
	settings settings
	limits   webapi.Limits
}

// global is the key of the limit that holds for everything the bot does. No channel's id is spelt so.
const global = "global"

func (a *adapter) deliver(c *sgs.Call) error {
	m, err := outbound.Read(c.Message)
	if err != nil {
		return sgs.Reject("discord: " + err.Error())
	}
	if !isID(m.Channel) || m.ReplyTo != "" && !isID(m.ReplyTo) {
		return sgs.Reject("discord: channel_id, reply_to and message_id are numbers of up to 20 digits")
	}
	if m.Type == outbound.TypeReaction {
		return verdict(a.react(c, m), "")
	}
	parts, err := a.settings.parts(m)
	if err != nil {
		return sgs.Reject("discord: " + err.Error())
	}
	for i, p := range parts {
		// The first part is not waited for within the call: the message can wait on its stream. Later ones are, since trying
		// the message again sends the first ones again, which counts against the same limit.
		err := a.limits.Do(c, i > 0, func() error { return a.send(c, m, p) }, m.Channel, global)
		if err != nil {
			return verdict(err, " (part "+strconv.Itoa(i+1)+" of "+strconv.Itoa(len(parts))+")")
		}
	}
	return nil
}

// send makes a message in the channel. Discord knows the part by its nonce, and makes it once.
func (a *adapter) send(c *sgs.Call, m *outbound.Message, p part) error {
	r, err := p.request()
	if err != nil {
		return &webapi.Failure{Outcome: webapi.Refused, Reason: err.Error()}
	}
	r.Method, r.URL, r.Secrets = "POST", a.settings.baseURL+"/channels/"+m.Channel+"/messages", []string{"bot-token"}
	answer, err := webapi.Do(c, r)
	if err != nil {
		return err
	}
	return a.judge(answer, m.Channel, answer.Body.Text("id") != "")
}

// react adds a reaction; one that is there already is no error.
func (a *adapter) react(c *sgs.Call, m *outbound.Message) error {
	key := "reactions " + m.Channel // they have a limit of their own
	return a.limits.Do(c, false, func() error {
		answer, err := webapi.Do(c, sgs.Request{
			Method: "PUT", Secrets: []string{"bot-token"},
			URL: a.settings.baseURL + "/channels/" + m.Channel + "/messages/" + m.ReplyTo + "/reactions/" + webapi.Segment(m.Emoji) + "/@me",
		})
		if err != nil {
			return err
		}
		return a.judge(answer, key, answer.Status == 204)
	}, key, global)
}

// verdict says what becomes of the message. What is not known to be done is done again: the nonces make that safe.
func verdict(err error, where string) error {
	var f *webapi.Failure
	if !errors.As(err, &f) {
		return err
	}
	reason := "discord: " + f.Reason + where
	if f.Outcome == webapi.Refused {
		return sgs.Reject(reason)
	}
	return sgs.Retry(f.After, reason)
}

// isID tells whether a text is one of Discord's ids.
func isID(text string) bool {
	for _, r := range text {
		if r < '0' || r > '9' {
			return false
		}
	}
	return text != "" && len(text) <= 20
}
