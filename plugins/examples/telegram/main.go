// Command telegram is an adapter plugin that delivers messages to Telegram.
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

// adapter is the plugin: what the operator has set, and what this instance knows of Telegram's limits and of groups that
// have moved.
type adapter struct {
	settings settings
	limits   webapi.Limits
	moves    moves
}

func (a *adapter) deliver(c *sgs.Call) error {
	m, err := outbound.Read(c.Message)
	if err != nil {
		return sgs.Reject("telegram: " + err.Error())
	}
	if len(m.Embeds) > 0 {
		c.Warn("embeds are left out: Telegram has none")
	}
	parts, err := a.settings.parts(m)
	switch {
	case err != nil:
		return sgs.Reject("telegram: " + err.Error())
	case c.Message.MaybeDelivered && a.settings.whenUnsure == reject && m.Type != outbound.TypeReaction:
		return sgs.Reject("telegram: an earlier try may have delivered it, and when_unsure is reject")
	}
	for i, p := range parts {
		// The first part is not waited for within the call: the message can wait on its stream.
		if err := a.limits.Do(c, i > 0, func() error { return a.send(c, m.Channel, p) }, m.Channel); err != nil {
			return a.verdict(c, m, parts, i, err)
		}
	}
	return nil
}

// send makes one message, wherever the chat is now. It can't be told apart from an earlier one: Telegram has no
// idempotency keys.
func (a *adapter) send(c *sgs.Call, chat string, p part) error {
	chat = a.moves.where(chat)
	answer, err := a.ask(c, chat, p)
	if err != nil {
		return err
	}
	if to := answer.Body.Map("parameters").Int("migrate_to_chat_id"); to != 0 { // a group has become a supergroup
		next := strconv.FormatInt(to, 10)
		a.moves.note(chat, next)
		c.Info("the chat " + chat + " is now " + next)
		if answer, err = a.ask(c, next, p); err != nil {
			return err
		}
		chat = next
	}
	if p.fields["parse_mode"] != nil && isParseError(answer) {
		c.Warn("sent without parse_mode: " + describe(answer))
		if answer, err = a.ask(c, chat, p.plain()); err != nil {
			return err
		}
	}
	return judge(answer)
}

// ask calls a method of the Bot API.
func (a *adapter) ask(c *sgs.Call, chat string, p part) (*webapi.Answer, error) {
	r, err := p.request(chat)
	if err != nil {
		return nil, &webapi.Failure{Outcome: webapi.Refused, Reason: err.Error()}
	}
	r.Method, r.URL, r.Secrets = "POST", a.settings.baseURL+"/bot{bot-token}/"+p.method, []string{"bot-token"}
	return webapi.Do(c, r)
}

// verdict says what becomes of a message of which the parts before n are delivered, and n is not, or may be.
func (a *adapter) verdict(c *sgs.Call, m *outbound.Message, parts []part, n int, err error) error {
	var f *webapi.Failure
	if !errors.As(err, &f) {
		return err
	}
	reason := "telegram: " + f.Reason + " (part " + strconv.Itoa(n+1) + " of " + strconv.Itoa(len(parts)) + ")"
	switch {
	case f.Outcome == webapi.Refused:
		return sgs.Reject(reason)
	case f.Outcome == webapi.Unsure && a.settings.whenUnsure == reject && m.Type != outbound.TypeReaction:
		return sgs.Reject(reason + "; it may have been delivered, and when_unsure is reject")
	case n == 0:
		return sgs.Retry(f.After, reason)
	}
	// What is delivered is done with this message. The rest becomes a message of its own, in the same step: to try all of
	// it again would deliver the first parts twice.
	if err := c.Emit(rest(c.Message, m, parts[n:])); err != nil {
		return sgs.Retry(f.After, reason+"; the rest can't be written as a message of its own: "+err.Error())
	}
	c.Warn(reason + "; the rest is a message of its own now")
	return nil
}
