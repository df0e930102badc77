package main

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/outbound"
	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/split"
	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/webapi"
)

// Telegram's limits. It counts texts in UTF-16, without what parse_mode makes markup of.
const (
	maxText    = 4096
	maxCaption = 1024
	maxPhoto   = 10 << 20 // bytes; a larger image is sent as a document
	maxInRow   = 8
	maxButtons = 100
	maxValue   = 64 // bytes
)

// part is one call of a method of the Bot API.
type part struct {
	method string
	fields sgs.Map
	text   string         // what of the message's text is in it
	file   *outbound.File // sent as the field that is named as
	as     string
}

// parts makes the calls that a message becomes: its text in as many as it takes, then each file. A short text is the
// caption of the first file.
func (s *settings) parts(m *outbound.Message) ([]part, error) {
	if !isChat(m.Channel) {
		return nil, errors.New("channel_id is " + strconv.Quote(m.Channel) + "; a chat is a number, or the @name of a channel")
	}
	var reply int64
	if m.ReplyTo != "" {
		var err error
		if reply, err = strconv.ParseInt(m.ReplyTo, 10, 64); err != nil {
			return nil, errors.New("reply_to and message_id are numbers")
		}
	}
	if m.Type == outbound.TypeReaction {
		return []part{{method: "setMessageReaction", fields: sgs.Map{
			"message_id": reply, "reaction": []any{sgs.Map{"type": "emoji", "emoji": m.Emoji}},
		}}}, nil
	}
	keyboard, err := keyboard(m.Buttons)
	if err != nil {
		return nil, err
	}
	parts := s.content(m)
	switch {
	case len(parts) == 0:
		return nil, errors.New("the payload has embeds alone, and Telegram has none")
	case len(parts) > s.maxParts:
		return nil, errors.New("it takes " + strconv.Itoa(len(parts)) + " messages, and max_parts is " + strconv.Itoa(s.maxParts))
	}
	if reply != 0 {
		parts[0].fields["reply_parameters"] = sgs.Map{"message_id": reply, "allow_sending_without_reply": true}
	}
	if len(keyboard) > 0 {
		parts[len(parts)-1].fields["reply_markup"] = sgs.Map{"inline_keyboard": keyboard}
	}
	return parts, nil
}

// content makes the parts of the text and the files.
func (s *settings) content(m *outbound.Message) []part {
	var parts []part
	for _, text := range split.Text(m.Text, maxText, split.UTF16) {
		p := part{method: "sendMessage", text: text, fields: sgs.Map{"text": text}}
		if s.parseMode != "" {
			p.fields["parse_mode"] = s.parseMode
		}
		if !s.previews {
			p.fields["link_preview_options"] = sgs.Map{"is_disabled": true}
		}
		parts = append(parts, p)
	}
	asCaption := len(m.Files) > 0 && len(parts) == 1 && len(split.Text(m.Text, maxCaption, split.UTF16)) == 1
	for i, f := range m.Files {
		p := part{method: "sendDocument", as: "document", file: &f, fields: sgs.Map{}}
		if isPhoto(f) {
			p.method, p.as = "sendPhoto", "photo"
		}
		if i == 0 && asCaption {
			p.text, p.fields["caption"] = parts[0].text, parts[0].text
			if s.parseMode != "" {
				p.fields["parse_mode"] = s.parseMode
			}
			parts = nil
		}
		parts = append(parts, p)
	}
	return parts
}

func isPhoto(f outbound.File) bool {
	return len(f.Data) <= maxPhoto && slices.Contains([]string{"image/jpeg", "image/png", "image/webp"}, f.ContentType)
}

// isChat tells whether a text is a chat's number, or the name of a channel.
func isChat(text string) bool {
	if name, ok := strings.CutPrefix(text, "@"); ok {
		return name != ""
	}
	_, err := strconv.ParseInt(text, 10, 64)
	return err == nil
}

func keyboard(rows [][]outbound.Button) ([]any, error) {
	var all []any
	n := 0
	for _, row := range outbound.Wrap(rows, maxInRow) {
		var buttons []any
		for _, b := range row {
			n++
			button := sgs.Map{"text": b.Label}
			switch {
			case b.URL != "":
				button["url"] = b.URL
			case len(b.Value) > maxValue:
				return nil, errors.New("the value of a button has " + strconv.Itoa(maxValue) + " bytes at most")
			default:
				button["callback_data"] = b.Value
			}
			buttons = append(buttons, button)
		}
		all = append(all, buttons)
	}
	if n > maxButtons {
		return nil, errors.New("a message has " + strconv.Itoa(maxButtons) + " buttons at most")
	}
	return all, nil
}

// plain is the part without markup.
func (p part) plain() part {
	p.fields = maps.Clone(p.fields)
	delete(p.fields, "parse_mode")
	return p
}

// request writes the call as JSON or, where there is a file, as a form.
func (p part) request(chat string) (sgs.Request, error) {
	fields := maps.Clone(p.fields)
	fields["chat_id"] = chat
	if p.file == nil {
		body, err := sgs.AppendJSON(nil, fields)
		return sgs.Request{Header: map[string]string{"Content-Type": "application/json"}, Body: body}, err
	}
	var form webapi.Form
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if text, ok := fields[name].(string); ok {
			form.Text(name, text)
			continue
		}
		value, err := sgs.AppendJSON(nil, fields[name])
		if err != nil {
			return sgs.Request{}, err
		}
		form.Text(name, string(value))
	}
	form.File(p.as, p.file.Name, p.file.ContentType, p.file.Data)
	contentType, body := form.Encode()
	return sgs.Request{Header: map[string]string{"Content-Type": contentType}, Body: body}, nil
}

// rest is the message that the parts make up which are left of another.
func rest(of *sgs.Message, m *outbound.Message, parts []part) sgs.Emit {
	var texts []string
	var files, rows []any
	for _, p := range parts {
		if p.file != nil {
			files = append(files, sgs.Map{"name": p.file.Name, "content_type": p.file.ContentType, "data": p.file.Data})
		} else {
			texts = append(texts, p.text)
		}
	}
	for _, row := range m.Buttons {
		var buttons []any
		for _, b := range row {
			buttons = append(buttons, sgs.Map{"label": b.Label, "value": b.Value, "url": b.URL})
		}
		rows = append(rows, buttons)
	}
	payload := sgs.Map{
		"platform": of.Platform, "channel_id": m.Channel, "type": outbound.TypeMessage, "text": strings.Join(texts, "\n"), "trace_id": of.TraceID,
	}
	if len(files) > 0 {
		payload["files"] = files
	}
	if len(rows) > 0 {
		payload["buttons"] = rows
	}
	return sgs.Emit{Platform: of.Platform, Payload: payload}
}
