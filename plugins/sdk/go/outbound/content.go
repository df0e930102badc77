package outbound

import (
	"errors"
	"strconv"
	"strings"
	"unicode"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

// readFiles reads the file that the payload is, and those that it lists.
func readFiles(p fields) ([]File, error) {
	var files []File
	if data, ok := contents(p); ok {
		files = append(files, readFile(p, data))
	}
	for _, key := range []string{"files", "attachments"} {
		for i, v := range p.List(key) {
			m, _ := v.(sgs.Map)
			data, ok := contents(m)
			if !ok {
				return nil, errors.New(key + " " + strconv.Itoa(i+1) + " has no data; a file is {name, data}, and one that is only named by a URL can't be sent")
			}
			files = append(files, readFile(m, data))
		}
	}
	return files, nil
}

// contents is a file's data: binary, or a text.
func contents(p fields) ([]byte, bool) {
	if data := p.Bytes("data"); data != nil {
		return data, true
	}
	text := p.Text("data")
	return []byte(text), text != ""
}

func readFile(p fields, data []byte) File {
	f := File{Name: fileName(first(p, "name", "filename")), ContentType: first(p, "content_type", "mime_type"), Data: data}
	if strings.ContainsFunc(f.ContentType, func(r rune) bool { return r < ' ' || r > '~' }) || !strings.Contains(f.ContentType, "/") {
		f.ContentType = typeOf(f.Name)
	}
	return f
}

// fileName leaves out folders and what is not to be shown.
func fileName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name)
	if len(name) > 120 { // its end says what it is
		name = strings.ToValidUTF8(name[len(name)-120:], "")
	}
	if strings.Trim(name, ". ") == "" {
		return "file"
	}
	return name
}

// typeOf is the media type that goes with a name's ending.
func typeOf(name string) string {
	switch strings.ToLower(name[strings.LastIndexByte(name, '.')+1:]) {
	case "png":
		return "image/png"
	case "jpg", "jpeg":
		return "image/jpeg"
	case "gif":
		return "image/gif"
	case "webp":
		return "image/webp"
	case "mp3":
		return "audio/mpeg"
	case "ogg":
		return "audio/ogg"
	case "mp4":
		return "video/mp4"
	case "pdf":
		return "application/pdf"
	case "json":
		return "application/json"
	case "txt", "md", "csv", "log":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// readButtons reads a list of buttons, or of rows.
func readButtons(list []any) ([][]Button, error) {
	var rows [][]Button
	var flat []Button
	n := 0
	for _, v := range list {
		row, isRow := v.([]any)
		if !isRow {
			row = []any{v}
		}
		var buttons []Button
		for _, v := range row {
			n++
			b, ok := readButton(v)
			if !ok {
				return nil, errors.New("button " + strconv.Itoa(n) + " has no label; a button is a text, {label, value} or {label, url}")
			}
			buttons = append(buttons, b)
		}
		if isRow && len(buttons) > 0 {
			rows = append(rows, buttons)
		} else {
			flat = append(flat, buttons...)
		}
	}
	if len(flat) > 0 {
		rows = append(rows, flat)
	}
	return rows, nil
}

func readButton(v any) (Button, bool) {
	if text, ok := v.(string); ok {
		text = strings.ToValidUTF8(text, "\uFFFD")
		return Button{Label: text, Value: text}, strings.TrimSpace(text) != ""
	}
	m, ok := v.(sgs.Map)
	if !ok {
		return Button{}, false
	}
	b := Button{Label: first(m, "label", "text"), Value: first(m, "value", "id"), URL: first(m, "url")}
	switch {
	case b.URL != "":
		b.Value = ""
	case b.Value == "":
		b.Value = b.Label
	}
	return b, strings.TrimSpace(b.Label) != ""
}
