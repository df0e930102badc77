package outbound

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

func TestReadsWhatIsToBeDelivered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		payload sgs.Map
		want    Message
	}{
		"a message": {
			sgs.Map{"type": "message", "channel_id": "42", "text": "hello", "reply_to": "7", "message_key": "k"},
			Message{Type: TypeMessage, Channel: "42", Text: "hello", ReplyTo: "7", Key: "k"},
		},
		"ids that are numbers": {
			sgs.Map{"type": "message", "channel_id": int64(-1001), "text": "hello", "reply_to": int64(7)},
			Message{Type: TypeMessage, Channel: "-1001", Text: "hello", ReplyTo: "7", Key: "out 1-0"},
		},
		"a file": {
			sgs.Map{"type": "file", "channel_id": "42", "name": "../plots/a\n.PNG", "data": []byte{0, 1}, "text": "see"},
			Message{Type: TypeFile, Channel: "42", Text: "see", Key: "out 1-0", Files: []File{{"a.PNG", "image/png", []byte{0, 1}}}},
		},
		"files": {
			sgs.Map{"type": "file", "channel_id": "42", "files": []any{sgs.Map{"filename": "..", "data": "text"}},
				"attachments": []any{sgs.Map{"name": "b.bin", "content_type": "a/b", "data": []byte{}}}},
			Message{Type: TypeFile, Channel: "42", Key: "out 1-0",
				Files: []File{{"file", "application/octet-stream", []byte("text")}, {"b.bin", "a/b", []byte{}}}},
		},
		"buttons": {
			sgs.Map{"type": "buttons", "channel_id": "42", "text": "pick", "buttons": []any{
				"a", sgs.Map{"label": "b", "value": "2"}, sgs.Map{"text": "c", "url": "https://c.example"}, sgs.Map{"label": "d"}}},
			Message{Type: TypeButtons, Channel: "42", Text: "pick", Key: "out 1-0",
				Buttons: [][]Button{{{"a", "a", ""}, {"b", "2", ""}, {"c", "", "https://c.example"}, {"d", "d", ""}}}},
		},
		"rows": {
			sgs.Map{"type": "message", "channel_id": "42", "text": "pick", "buttons": []any{[]any{"a"}, []any{"b", "c"}}},
			Message{Type: TypeMessage, Channel: "42", Text: "pick", Key: "out 1-0",
				Buttons: [][]Button{{{"a", "a", ""}}, {{"b", "b", ""}, {"c", "c", ""}}}},
		},
		"a reaction": {
			sgs.Map{"type": "reaction", "channel_id": "42", "message_id": "9", "emoji": "👍"},
			Message{Type: TypeReaction, Channel: "42", ReplyTo: "9", Emoji: "👍", Key: "out 1-0"},
		},
	} {
		got, err := Read(&sgs.Message{Stream: "out", ID: "1-0", Payload: test.payload})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(test.want, *got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for want, payload := range map[string]sgs.Map{
		"the payload has no channel_id":                                           {"type": "message", "text": "x"},
		"the payload has no type; the types are message, file, buttons, reaction": {"channel_id": "1", "text": "x"},
		"the payload is of the type \"poll\", which this adapter does not know; the types are message, file, buttons, reaction": {"channel_id": "1", "type": "poll"},
		"the payload has no text, and nothing else that can be sent":                                                            {"channel_id": "1", "type": "message", "text": " \n"},
		"the payload is of the type file and has no data, no files and no attachments":                                          {"channel_id": "1", "type": "file", "text": "x"},
		"attachments 2 has no data; a file is {name, data}, and one that is only named by a URL can't be sent":                  {"channel_id": "1", "type": "file", "attachments": []any{sgs.Map{"data": "x"}, sgs.Map{"url": "https://a"}}},
		"files 1 has no data; a file is {name, data}, and one that is only named by a URL can't be sent":                        {"channel_id": "1", "type": "file", "files": []any{"x"}},
		"the payload is of the type buttons and has no buttons":                                                                 {"channel_id": "1", "type": "buttons", "text": "x"},
		"button 2 has no label; a button is a text, {label, value} or {label, url}":                                             {"channel_id": "1", "type": "buttons", "text": "x", "buttons": []any{"a", sgs.Map{"value": "v"}}},
		"the payload is of the type reaction and has no emoji":                                                                  {"channel_id": "1", "type": "reaction", "message_id": "1"},
		"the payload is of the type reaction and has no message_id":                                                             {"channel_id": "1", "type": "reaction", "emoji": "x"},
	} {
		_, err := Read(&sgs.Message{Payload: payload})
		if err == nil || err.Error() != want {
			t.Errorf("%v: %v, not %s", payload, err, want)
		}
	}
}

func TestWrapsRows(t *testing.T) {
	t.Parallel()
	row := make([]Button, 12)
	got := Wrap([][]Button{row[:3], row}, 5)
	if len(got) != 4 || len(got[0]) != 3 || len(got[1]) != 5 || len(got[3]) != 2 {
		t.Errorf("%v", got)
	}
}

// FuzzRead holds what adapters rely on, whatever a payload is made of.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"type":"buttons","channel_id":1,"text":"x","buttons":[["a",{"label":"b","url":"u"}],"c"],"files":[{"name":"a/b","data":"x"}]}`))
	f.Add([]byte(`{"type":"reaction","channel_id":"1","reply_to":-2,"emoji":"e"}`))
	f.Fuzz(func(t *testing.T, json []byte) {
		payload, err := sgs.Parse(json)
		if err != nil {
			return
		}
		m, err := Read(&sgs.Message{Stream: "s", ID: "1-0", Payload: payload})
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than one line: %q", err)
			}
			return
		}
		if m.Channel == "" || m.Key == "" || m.Text == "" && len(m.Files) == 0 && len(m.Embeds) == 0 && m.Emoji == "" {
			t.Fatalf("%+v", m)
		}
		for _, file := range m.Files {
			if file.Name == "" || strings.ContainsAny(file.Name, "/\\\r\n") || !strings.Contains(file.ContentType, "/") || strings.ContainsAny(file.ContentType, "\r\n") {
				t.Fatalf("%+v", file)
			}
		}
		for _, row := range Wrap(m.Buttons, 5) {
			if len(row) == 0 || len(row) > 5 || row[0].Label == "" || (row[0].URL == "") == (row[0].Value == "") {
				t.Fatalf("%+v", row)
			}
		}
	})
}
