package sgs

import (
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Call is the handling of one message. It is valid until the function that Handle registered returns, and so is its
// Message; the texts in it last for ever.
type Call struct {
	// Message is what is to be handled.
	Message *Message
	// State is what the plugin keeps from one message to the next.
	State State
	// HTTP makes requests, to where the operator allows them.
	HTTP HTTP

	host  host
	codec codec
	inbox inbox
	out   []byte // for the documents of emits, one after the other
}

// maxKept is the size in bytes up to which the memory for an emit serves those that follow.
const maxKept = 1 << 20

// begin makes it the call for the message in doc.
func (c *Call) begin(h host, doc string) error {
	c.codec = codecOf(doc)
	c.Message, c.State, c.HTTP, c.host = &c.inbox.message, State{h}, HTTP{h, c.codec}, h
	return c.inbox.open(c.codec, doc)
}

// Emit is an entry that is to be written when the message is done. Exactly one of Platform and Stream is set.
type Emit struct {
	// Platform is the chat platform whose adapter is to deliver the payload.
	Platform string
	// Stream is the key of a stream that the operator lists in emit_streams.
	Stream string
	// Payload is the entry's payload; its values are those of Map. The daemon adds message_key, trace_id and
	// platform where they are absent.
	Payload Map
}

// EmitError is why the daemon did not take an emit; errors.As finds it. The daemon's log says more.
type EmitError struct {
	// Errno is abi.ErrnoInvalid, ErrnoDenied, ErrnoLimit or ErrnoCancelled.
	Errno abi.Errno
}

// Error implements error, with the number's name.
func (e *EmitError) Error() string {
	switch e.Errno {
	case abi.ErrnoInvalid:
		return "emit: EINVALID: the entry is malformed"
	case abi.ErrnoDenied:
		return "emit: EDENIED: the operator does not allow it"
	case abi.ErrnoLimit:
		return "emit: ELIMIT: the call emits too much, or the entry is too large"
	case abi.ErrnoCancelled:
		return "emit: ECANCELLED: the call's deadline has passed, or the message went to another worker"
	}
	return "emit: " + e.Errno.String()
}

// Emit hands an entry to the daemon, which checks it at once and writes it when the message is done. It returns
// an *EmitError if the daemon refuses it, and another error if the payload holds what no codec can carry.
func (c *Call) Emit(e Emit) error {
	target := member{"platform", e.Platform}
	if e.Stream != "" {
		target = member{"stream", e.Stream}
	}
	payload := e.Payload
	if payload == nil {
		payload = Map{}
	}
	members := []member{target, {"payload", payload}}
	if e.Stream != "" && e.Platform != "" {
		members = append(members, member{"platform", e.Platform}) // for the daemon to refuse
	}
	doc, err := c.codec.appendMembers(c.out[:0], members...)
	if err != nil {
		return err
	}
	return c.emit(doc)
}

// emit hands over a document that was written to c.out, and keeps that for the next one.
func (c *Call) emit(doc []byte) error {
	if c.out = doc; cap(doc) > maxKept {
		c.out = nil
	}
	if errno := c.host.emit(doc); errno < 0 {
		return &EmitError{errno}
	}
	return nil
}

// Reply emits the answer to an inbound message: a text to the channel that it came from. It is Emit of what the function
// Reply makes, and a good deal faster.
func (c *Call) Reply(text string) error {
	var room [6]field
	fields := replyFields(room[:0], c.Message, text)
	return c.emit(c.codec.appendTexts(c.out[:0], c.Message.Platform, fields))
}

// Reply is the answer to an inbound message: a text to the channel that it came from. It refers to the message by
// its message_id, where that has one, and carries its trace id on. What is added to its Payload goes with it.
func Reply(m *Message, text string) Emit {
	payload := Map{}
	for _, f := range replyFields(nil, m, text) {
		payload[f.key] = f.text
	}
	return Emit{Platform: m.Platform, Payload: payload}
}

// replyFields appends what the payload of a reply consists of.
func replyFields(dst []field, m *Message, text string) []field {
	dst = append(dst, field{"platform", m.Platform}, field{"channel_id", m.Text("channel_id")}, field{"type", "message"},
		field{"text", text}, field{"trace_id", m.TraceID})
	if id := m.Text("message_id"); id != "" {
		dst = append(dst, field{"reply_to", id})
	}
	return dst
}

// Deadline is the moment at which the daemon gives the call up.
func (c *Call) Deadline() time.Time {
	return time.Now().Add(time.Duration(c.host.deadlineMS()) * time.Millisecond)
}

// Count adds n, 0 or more, to a counter of the plugin's own, which the daemon's metrics show as
// sgstreamd_plugin_custom_total with the plugin's name and this one: 1 to 64 characters of a to z, 0 to 9 and _. A
// plugin can have 100 such names, so a name says what is counted and never whose it is. It counts at once, and each
// time that a message is tried. The error is a *HostError; what it counts is rarely worth failing for.
func (c *Call) Count(name string, n int64) error {
	if errno := c.host.metricAdd(name, n); errno < 0 {
		return &HostError{abi.ImportMetricAdd, errno}
	}
	return nil
}

// Debug writes a line to the daemon's log, with the plugin's name and the message's trace id. So do Info, Warn and
// Error. What is longer than 16 KiB is cut.
func (c *Call) Debug(text string) { c.host.log(abi.LogDebug, text) }

// Info is Debug at the level info.
func (c *Call) Info(text string) { c.host.log(abi.LogInfo, text) }

// Warn is Debug at the level warn.
func (c *Call) Warn(text string) { c.host.log(abi.LogWarn, text) }

// Error is Debug at the level error. It does not fail the message: return an error for that.
func (c *Call) Error(text string) { c.host.log(abi.LogError, text) }
