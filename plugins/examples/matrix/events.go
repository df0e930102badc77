package main

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/outbound"
	"github.com/sgstreamd/sgstreamd/plugins/sdk/go/split"
)

// An event has 65,536 bytes at most, with what the homeserver adds. A text is in it twice, the second time as HTML.
const maxText = 48_000

// cost is what a character comes to in an event, in bytes: in JSON, and again in HTML in JSON.
func cost(r rune) int {
	switch r {
	case '*', '_', '`', '[': // it may become a tag, or half of one
		return 9
	case '"', '\\', '&', '<', '>', '\n':
		return 8
	}
	if r < ' ' || r == 0x7f {
		return 12
	}
	return 2 * utf8.RuneLen(r)
}

// event is what is put into a room.
type event struct {
	kind    string
	content sgs.Map
	file    *outbound.File // its URI is put into the content
}

// events makes the events that a message becomes.
func (s *settings) events(m *outbound.Message) ([]event, error) {
	if m.Type == outbound.TypeReaction {
		return []event{{kind: "m.reaction", content: sgs.Map{
			"m.relates_to": sgs.Map{"rel_type": "m.annotation", "event_id": m.ReplyTo, "key": m.Emoji},
		}}}, nil
	}
	var events []event
	for _, text := range split.Text(withButtons(m), maxText, cost) {
		events = append(events, event{kind: "m.room.message", content: s.text(text)})
	}
	for _, f := range m.Files {
		events = append(events, event{kind: "m.room.message", file: &f, content: sgs.Map{
			"msgtype": msgtype(f.ContentType), "body": f.Name, "filename": f.Name,
			"info": sgs.Map{"mimetype": f.ContentType, "size": len(f.Data)},
		}})
	}
	switch {
	case len(events) == 0:
		return nil, errors.New("the payload has embeds alone, and Matrix has none")
	case len(events) > s.maxParts:
		return nil, errors.New("it takes " + strconv.Itoa(len(events)) + " events, and max_parts is " + strconv.Itoa(s.maxParts))
	}
	for _, e := range events {
		e.content["m.mentions"] = sgs.Map{} // a name in a text notifies nobody
	}
	if m.ReplyTo != "" {
		events[0].content["m.relates_to"] = sgs.Map{"m.in_reply_to": sgs.Map{"event_id": m.ReplyTo}}
	}
	return events, nil
}

func (s *settings) text(text string) sgs.Map {
	content := sgs.Map{"msgtype": s.msgtype, "body": text}
	if !s.markdown {
		return content
	}
	if html, marked := format(text); marked {
		content["format"], content["formatted_body"] = "org.matrix.custom.html", html
	}
	return content
}

// withButtons is the text, with the buttons as lines below: Matrix has none.
func withButtons(m *outbound.Message) string {
	text := m.Text
	for i, row := range m.Buttons {
		for j, b := range row {
			if i == 0 && j == 0 {
				text += "\n"
			}
			text += "\n• " + b.Label
			if b.URL != "" {
				text += ": " + b.URL
			}
		}
	}
	return text
}

func msgtype(contentType string) string {
	switch kind, _, _ := strings.Cut(contentType, "/"); kind {
	case "image", "audio", "video":
		return "m." + kind
	}
	return "m.file"
}
