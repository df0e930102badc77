package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"unicode/utf16"
)

// token is as Telegram's are: its colon stands in the path.
const token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"

// server is as much of the Bot API as the adapter uses, as its documentation describes it. What goes wrong in a chat is told
// in faults, a word for each request.
type server struct {
	mu     sync.Mutex
	faults map[string][]string
	calls  map[string][]call // what was done, by chat
}

// call is a method that was done.
type call struct {
	method string
	fields map[string]any
	file   string // its field, name, type and data
}

func newServer() *server { return &server{faults: map[string][]string{}, calls: map[string][]call{}} }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, ok := strings.CutPrefix(r.URL.Path, "/bot"+token+"/")
	if !ok {
		answer(w, 404, `{"ok":false,"error_code":404,"description":"Not Found"}`)
		return
	}
	c, err := read(r, method)
	if err != nil {
		answer(w, 400, `{"ok":false,"error_code":400,"description":"Bad Request: can't parse the request"}`)
		return
	}
	chat := fmt.Sprint(c.fields["chat_id"])
	switch s.fault(chat) {
	case "502":
		answer(w, 502, "<html>bad gateway</html>")
	case "slow":
		<-r.Context().Done()
	case "drop":
		panic(http.ErrAbortHandler)
	case "drop after": // the message is there, and nobody hears of it
		s.do(chat, c)
		panic(http.ErrAbortHandler)
	case "blocked":
		answer(w, 403, `{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}`)
	case "malformed":
		answer(w, 200, `{"ok":`)
	case "flood":
		answer(w, 429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 1","parameters":{"retry_after":1}}`)
	case "long flood":
		answer(w, 429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 300","parameters":{"retry_after":300}}`)
	case "moved":
		answer(w, 400, `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-100200300}}`)
	default:
		if text, _ := c.fields["text"].(string); len(utf16.Encode([]rune(text))) > 4096 || method == "sendMessage" && text == "" {
			answer(w, 400, `{"ok":false,"error_code":400,"description":"Bad Request: message is too long"}`)
			return
		}
		s.do(chat, c)
		answer(w, 200, `{"ok":true,"result":{"message_id":1}}`)
	}
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// read reads JSON or a form, whose fields are text or JSON.
func read(r *http.Request, method string) (call, error) {
	c := call{method: method, fields: map[string]any{}}
	if r.Header.Get("Content-Type") == "application/json" {
		return c, json.NewDecoder(r.Body).Decode(&c.fields)
	}
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		return c, err
	}
	for name, values := range r.MultipartForm.Value {
		c.fields[name] = values[0]
	}
	for name, files := range r.MultipartForm.File {
		f, err := files[0].Open()
		if err != nil {
			return c, err
		}
		data, err := io.ReadAll(f)
		if err != nil {
			return c, err
		}
		c.file = name + " " + files[0].Filename + " " + files[0].Header.Get("Content-Type") + " " + string(data)
	}
	return c, nil
}

func (s *server) fault(chat string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults[chat]) == 0 {
		return ""
	}
	fault := s.faults[chat][0]
	s.faults[chat] = s.faults[chat][1:]
	return fault
}

func (s *server) do(chat string, c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[chat] = append(s.calls[chat], c)
}

func (s *server) done(chat string) []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]call{}, s.calls[chat]...)
}
