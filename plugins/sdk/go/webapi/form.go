package webapi

import (
	"bytes"
	"strconv"
	"strings"
)

// Form is a body of the type multipart/form-data. It exists because mime/multipart brings the net package into a module.
type Form struct{ parts [][2][]byte }

// Text adds a field.
func (f *Form) Text(name, value string) { f.add(`name="`+name+`"`, "", []byte(value)) }

// JSON adds a field that holds JSON.
func (f *Form) JSON(name string, value []byte) { f.add(`name="`+name+`"`, "application/json", value) }

// File adds a file.
func (f *Form) File(name, fileName, contentType string, data []byte) {
	escaped := strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A").Replace(fileName)
	f.add(`name="`+name+`"; filename="`+escaped+`"`, contentType, data)
}

func (f *Form) add(disposition, contentType string, data []byte) {
	head := "Content-Disposition: form-data; " + disposition + "\r\n"
	if contentType != "" {
		head += "Content-Type: " + contentType + "\r\n"
	}
	f.parts = append(f.parts, [2][]byte{[]byte(head + "\r\n"), data})
}

// Encode returns the body, and its type for the header. The same form is the same body.
func (f *Form) Encode() (contentType string, body []byte) {
	boundary := "sgstreamd"
	for n := 0; f.holds(boundary); n++ {
		boundary = "sgstreamd-" + strconv.Itoa(n)
	}
	size := 0
	for _, p := range f.parts {
		size += len(p[0]) + len(p[1]) + len(boundary) + 8
	}
	body = make([]byte, 0, size+len(boundary)+8)
	for _, p := range f.parts {
		body = append(append(append(body, "--"...), boundary...), "\r\n"...)
		body = append(append(append(body, p[0]...), p[1]...), "\r\n"...)
	}
	body = append(append(append(body, "--"...), boundary...), "--\r\n"...)
	return "multipart/form-data; boundary=" + boundary, body
}

// holds tells whether a part has the boundary in it.
func (f *Form) holds(boundary string) bool {
	for _, p := range f.parts {
		if bytes.Contains(p[0], []byte(boundary)) || bytes.Contains(p[1], []byte(boundary)) {
			return true
		}
	}
	return false
}
