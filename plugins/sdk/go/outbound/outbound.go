// Package outbound reads what an adapter is to deliver: the payload of a message on an outbound stream.
//
// A payload has a platform, a channel_id, a type, the fields of that type, and a message_key:
//
//	message    text, and where present reply_to, files (or attachments), buttons, embeds
//	file       name, data, and where present content_type, text, reply_to; or files
//	buttons    text, buttons, and where present reply_to
//	reaction   emoji, and the id of the message in message_id (or reply_to)
//
// A file is {name, data, content_type}, its data binary or text. A button is a text, or {label, value} for one that
// tells the bot its value, or {label, url} for a link; buttons are a list of them, or a list of such lists, the rows.
package outbound

import (
	"errors"
	"strconv"
	"strings"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

// Message is what is to be delivered.
type Message struct {
	// Channel is where to: the payload's channel_id, never empty.
	Channel string
	// Type is one of the constants below.
	Type string
	// Text is the text; it may be empty.
	Text string
	// ReplyTo is the platform's id of the message that is answered, or reacted to; it may be empty.
	ReplyTo string
	// Emoji is what a reaction shows; never empty for one.
	Emoji string
	// Files are what is attached.
	Files []File
	// Buttons are rows of buttons.
	Buttons [][]Button
	// Embeds are maps in the platform's own form.
	Embeds []any
	// Key is the same each time that the same message is delivered, and no other's: the message_key, or where there is
	// none what names the entry on the stream.
	Key string
}

// The types of messages.
const (
	TypeMessage  = "message"
	TypeFile     = "file"
	TypeButtons  = "buttons"
	TypeReaction = "reaction"
)

// File is a file to be sent.
type File struct {
	// Name is a file name without folders, never empty. ContentType is a media type, never empty.
	Name, ContentType string
	Data              []byte
}

// Button is something to press.
type Button struct {
	// Label is what it says, never empty.
	Label string
	// Value is what the bot is told; empty for a link. URL is where a link leads; else empty.
	Value, URL string
}

// Read reads a message. Its error is a reason to reject it, in one line.
func Read(m *sgs.Message) (*Message, error) {
	p := m.Payload
	out := &Message{
		Channel: id(p, "channel_id"), Type: p.Text("type"), Text: strings.ToValidUTF8(p.Text("text"), "\uFFFD"), ReplyTo: id(p, "reply_to"),
		Emoji: p.Text("emoji"), Embeds: p.List("embeds"), Key: p.Text("message_key"),
	}
	if out.Key == "" {
		out.Key = m.Stream + " " + m.ID
	}
	if out.Channel == "" {
		return nil, errors.New("the payload has no channel_id")
	}
	switch out.Type {
	case TypeMessage, TypeFile, TypeButtons:
		return out, out.readContent(p)
	case TypeReaction:
		return out, out.readReaction(p)
	case "":
		return nil, errors.New("the payload has no type; the types are message, file, buttons, reaction")
	}
	return nil, errors.New("the payload is of the type " + strconv.Quote(brief(out.Type)) + ", which this adapter does not know; the types are message, file, buttons, reaction")
}

func (out *Message) readContent(p fields) error {
	var err error
	if out.Files, err = readFiles(p); err != nil {
		return err
	}
	if out.Buttons, err = readButtons(p.List("buttons")); err != nil {
		return err
	}
	switch {
	case out.Type == TypeFile && len(out.Files) == 0:
		return errors.New("the payload is of the type file and has no data, no files and no attachments")
	case out.Type == TypeButtons && len(out.Buttons) == 0:
		return errors.New("the payload is of the type buttons and has no buttons")
	case strings.TrimSpace(out.Text) == "" && len(out.Files) == 0 && len(out.Embeds) == 0:
		return errors.New("the payload has no text, and nothing else that can be sent")
	}
	return nil
}

func (out *Message) readReaction(p fields) error {
	if target := id(p, "message_id"); target != "" {
		out.ReplyTo = target
	}
	switch {
	case out.Emoji == "":
		return errors.New("the payload is of the type reaction and has no emoji")
	case out.ReplyTo == "":
		return errors.New("the payload is of the type reaction and has no message_id")
	}
	return nil
}

// Wrap breaks rows that have more buttons than a platform shows in one.
func Wrap(rows [][]Button, most int) [][]Button {
	var wrapped [][]Button
	for _, row := range rows {
		for ; len(row) > most; row = row[most:] {
			wrapped = append(wrapped, row[:most])
		}
		wrapped = append(wrapped, row)
	}
	return wrapped
}

// fields is a payload or an object in it.
type fields interface {
	Text(key string) string
	Int(key string) int64
	Bytes(key string) []byte
	List(key string) []any
}

// id returns an id, which a bot may have written as a number.
func id(p fields, key string) string {
	if n := p.Int(key); n != 0 {
		return strconv.FormatInt(n, 10)
	}
	return p.Text(key)
}

// first returns the text under the first of the keys that has one.
func first(p fields, keys ...string) string {
	for _, key := range keys {
		if text := p.Text(key); text != "" {
			return strings.ToValidUTF8(text, "\uFFFD")
		}
	}
	return ""
}

// brief cuts a text for an error.
func brief(text string) string {
	if len(text) > 40 {
		return strings.ToValidUTF8(text[:40], "") + "…"
	}
	return text
}
