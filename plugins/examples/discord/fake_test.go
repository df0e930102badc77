package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const token = "a-token-that-nobody-may-see"

// server is as much of Discord's API as the adapter uses, as its documentation describes it. What goes wrong in a channel
// is told in faults, a word for each request.
type server struct {
	mu       sync.Mutex
	faults   map[string][]string
	asked    map[string]int       // requests by channel
	messages map[string][]message // by channel
	nonces   map[string]string    // the id of the message of a nonce
	buckets  map[string]*bucket
}

type message struct {
	ID, Content, ReplyTo string
	Files                map[string]string
}

// bucket lets five messages through in a window, as Discord does for a channel, but in a shorter one.
type bucket struct {
	left  int
	reset time.Time
}

const window = 400 * time.Millisecond

func newServer() *server {
	return &server{faults: map[string][]string{}, asked: map[string]int{}, messages: map[string][]message{}, nonces: map[string]string{}, buckets: map[string]*bucket{}}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(r.URL.EscapedPath(), "/") // /api/v10/channels/ID/messages
	if r.Header.Get("Authorization") != "Bot "+token {
		answer(w, 401, `{"message":"401: Unauthorized","code":0}`)
		return
	}
	if len(path) < 6 || path[3] != "channels" {
		answer(w, 404, `{"message":"404: Not Found","code":0}`)
		return
	}
	channel := path[4]
	switch fault := s.fault(channel); fault {
	case "502":
		answer(w, 502, "<html>bad gateway</html>")
	case "slow":
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the client is gone
		<-r.Context().Done()
	case "drop":
		panic(http.ErrAbortHandler)
	case "drop after": // the message is made, and nobody hears of it
		s.create(discard{}, r, channel)
		panic(http.ErrAbortHandler)
	case "403":
		answer(w, 403, `{"message":"Missing Access","code":50001}`)
	case "malformed":
		answer(w, 200, `{"id":`)
	case "429":
		w.Header().Set("Retry-After", "1")
		w.Header().Set("X-RateLimit-Scope", "shared")
		answer(w, 429, `{"message":"The resource is being rate limited.","retry_after":0.3,"global":false}`)
	default:
		s.create(w, r, channel)
	}
}

// discard is a response that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

func answer(w http.ResponseWriter, status int, body string) {
	if strings.HasPrefix(body, "{") {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

func (s *server) fault(channel string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[channel]++
	if len(s.faults[channel]) == 0 {
		return ""
	}
	fault := s.faults[channel][0]
	s.faults[channel] = s.faults[channel][1:]
	return fault
}

func (s *server) create(w http.ResponseWriter, r *http.Request, channel string) {
	doc, files, err := read(r)
	var ask struct {
		Content, Nonce   string
		EnforceNonce     bool `json:"enforce_nonce"`
		MessageReference struct {
			MessageID string `json:"message_id"`
		} `json:"message_reference"`
	}
	if err == nil {
		err = json.Unmarshal(doc, &ask)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		answer(w, 400, `{"message":"The request body contains invalid JSON.","code":50109}`)
	case !s.take(w, channel):
		answer(w, 429, fmt.Sprintf(`{"message":"You are being rate limited.","retry_after":%.3f,"global":false}`, time.Until(s.buckets[channel].reset).Seconds()))
	case utf8.RuneCountInString(ask.Content) > 2000:
		answer(w, 400, `{"message":"Invalid Form Body","code":50035,"errors":{"content":{"_errors":[{"code":"BASE_TYPE_MAX_LENGTH","message":"Must be 2000 or fewer in length."}]}}}`)
	case ask.Content == "" && len(files) == 0:
		answer(w, 400, `{"message":"Cannot send an empty message","code":50006}`)
	case len(ask.Nonce) > 25:
		answer(w, 400, `{"message":"Invalid Form Body","code":50035}`)
	default:
		id := s.nonces[ask.Nonce]
		if id == "" || !ask.EnforceNonce {
			id = strconv.Itoa(1000 + len(s.nonces))
			s.nonces[ask.Nonce] = id
			s.messages[channel] = append(s.messages[channel], message{id, ask.Content, ask.MessageReference.MessageID, files})
		}
		answer(w, 200, `{"id":"`+id+`","channel_id":"`+channel+`"}`)
	}
}

// take uses up one of the channel's requests, if there is one.
func (s *server) take(w http.ResponseWriter, channel string) bool {
	b := s.buckets[channel]
	if b == nil || time.Now().After(b.reset) {
		b = &bucket{5, time.Now().Add(window)}
		s.buckets[channel] = b
	}
	b.left--
	w.Header().Set("X-RateLimit-Limit", "5")
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(b.left, 0)))
	w.Header().Set("X-RateLimit-Reset-After", strconv.FormatFloat(time.Until(b.reset).Seconds(), 'f', 3, 64))
	return b.left >= 0
}

// read returns the JSON of a request, and its files by name.
func read(r *http.Request) ([]byte, map[string]string, error) {
	files := map[string]string{}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		doc, err := io.ReadAll(r.Body)
		return doc, files, err
	}
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		return nil, nil, err
	}
	for i := range len(r.MultipartForm.File) {
		f, header, err := r.FormFile(fmt.Sprintf("files[%d]", i))
		if err != nil {
			return nil, nil, err
		}
		data, err := io.ReadAll(f)
		if err != nil {
			return nil, nil, err
		}
		files[header.Filename+" "+header.Header.Get("Content-Type")] = string(data)
	}
	return []byte(r.FormValue("payload_json")), files, nil
}

func (s *server) got(channel string) []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]message{}, s.messages[channel]...)
}
