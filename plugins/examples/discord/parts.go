package main

import (
	"errors"
	"strconv"
	"unicode/utf8"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/outbound"
	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/split"
	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/webapi"
)

// Discord's limits on one message.
const (
	maxText   = 2000 // characters; counted in UTF-16, of which there are never fewer
	maxFiles  = 10
	maxEmbeds = 10
	maxRows   = 5
	maxInRow  = 5
	maxLabel  = 80
	maxValue  = 100
)

// part is one message of Discord's.
type part struct {
	body  sgs.Map
	files []outbound.File
}

// parts makes the messages that a message becomes: the text in as many as it takes, the last of them with what else
// there is, and more for the files that are left.
func (s *settings) parts(m *outbound.Message) ([]part, error) {
	components, err := components(m.Buttons)
	switch {
	case err != nil:
		return nil, err
	case len(m.Embeds) > maxEmbeds:
		return nil, errors.New("a message has " + strconv.Itoa(maxEmbeds) + " embeds at most")
	}
	var parts []part
	for _, text := range split.Text(m.Text, maxText, split.UTF16) {
		parts = append(parts, part{body: sgs.Map{"content": text}})
	}
	if len(parts) == 0 {
		parts = []part{{body: sgs.Map{}}}
	}
	last := parts[len(parts)-1]
	if len(m.Embeds) > 0 {
		last.body["embeds"] = m.Embeds
	}
	if len(components) > 0 {
		last.body["components"] = components
	}
	files := m.Files
	for len(files) > 0 {
		n := min(len(files), maxFiles)
		parts[len(parts)-1].files, files = files[:n], files[n:]
		if len(files) > 0 {
			parts = append(parts, part{body: sgs.Map{}})
		}
	}
	if len(parts) > s.maxParts {
		return nil, errors.New("it takes " + strconv.Itoa(len(parts)) + " messages, and max_parts is " + strconv.Itoa(s.maxParts))
	}
	s.finish(m, parts)
	return parts, nil
}

// finish adds what every message has, and what only the first has.
func (s *settings) finish(m *outbound.Message, parts []part) {
	key := webapi.Key(m.Key)
	for i, p := range parts {
		p.body["nonce"] = key + "." + strconv.Itoa(i) // 25 characters at most
		p.body["enforce_nonce"] = true
		p.body["allowed_mentions"] = sgs.Map{"parse": s.mentions}
	}
	if m.ReplyTo != "" {
		parts[0].body["message_reference"] = sgs.Map{"message_id": m.ReplyTo, "fail_if_not_exists": false}
	}
}

// request writes the message as JSON or, where there are files, as a form.
func (p part) request() (sgs.Request, error) {
	if len(p.files) == 0 {
		body, err := sgs.AppendJSON(nil, p.body)
		return sgs.Request{Header: map[string]string{"Content-Type": "application/json"}, Body: body}, err
	}
	var attachments []any
	for i, f := range p.files {
		attachments = append(attachments, sgs.Map{"id": i, "filename": f.Name})
	}
	p.body["attachments"] = attachments
	body, err := sgs.AppendJSON(nil, p.body)
	if err != nil {
		return sgs.Request{}, err
	}
	var form webapi.Form
	form.JSON("payload_json", body)
	for i, f := range p.files {
		form.File("files["+strconv.Itoa(i)+"]", f.Name, f.ContentType, f.Data)
	}
	contentType, body := form.Encode()
	return sgs.Request{Header: map[string]string{"Content-Type": contentType}, Body: body}, nil
}

// components makes action rows of buttons.
func components(rows [][]outbound.Button) ([]any, error) {
	var all []any
	for _, row := range outbound.Wrap(rows, maxInRow) {
		var buttons []any
		for _, b := range row {
			button := sgs.Map{"type": 2, "style": 2, "label": b.Label}
			switch {
			case utf8.RuneCountInString(b.Label) > maxLabel:
				return nil, errors.New("the label of a button has " + strconv.Itoa(maxLabel) + " characters at most")
			case b.URL != "":
				button["style"], button["url"] = 5, b.URL
			case utf8.RuneCountInString(b.Value) > maxValue:
				return nil, errors.New("the value of a button has " + strconv.Itoa(maxValue) + " characters at most")
			default:
				button["custom_id"] = b.Value
			}
			buttons = append(buttons, button)
		}
		all = append(all, sgs.Map{"type": 1, "components": buttons})
	}
	if len(all) > maxRows {
		return nil, errors.New("a message has " + strconv.Itoa(maxRows) + " rows of " + strconv.Itoa(maxInRow) + " buttons at most")
	}
	return all, nil
}
