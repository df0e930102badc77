package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

const token = "a-token-that-nobody-may-see"

// server is as much of a homeserver as the adapter uses, as the client-server API describes it. What goes wrong in a room is
// told in faults, a word for each request.
type server struct {
	mu     sync.Mutex
	faults map[string][]string
	events map[string][]event
	sent   map[string]string // the id of the event of a transaction
	media  map[string]string // what was uploaded, by its URI
}

func newServer() *server {
	return &server{faults: map[string][]string{}, events: map[string][]event{}, sent: map[string]string{}, media: map[string]string{}}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(r.URL.Path, "/") // /_matrix/client/v3/rooms/ID/send/KIND/TXN
	body, err := io.ReadAll(r.Body)
	switch {
	case r.Header.Get("Authorization") != "Bearer "+token:
		answer(w, 401, `{"errcode":"M_UNKNOWN_TOKEN","error":"Unrecognised access token"}`)
	case err != nil:
		answer(w, 400, `{"errcode":"M_NOT_JSON","error":"cut short"}`)
	case r.Method == "POST" && r.URL.Path == "/_matrix/media/v3/upload":
		s.upload(w, r, body)
	case r.Method == "PUT" && len(path) == 9 && path[6] == "send":
		s.put(w, r, path[5], path[7], path[8], body)
	default:
		answer(w, 404, `{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}`)
	}
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

func (s *server) upload(w http.ResponseWriter, r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uri := fmt.Sprintf("mxc://example.org/m%d", len(s.media))
	s.media[uri] = r.URL.Query().Get("filename") + " " + r.Header.Get("Content-Type") + " " + string(body)
	answer(w, 200, `{"content_uri":"`+uri+`"}`)
}

func (s *server) put(w http.ResponseWriter, r *http.Request, room, kind, txn string, body []byte) {
	switch s.fault(room) {
	case "502":
		answer(w, 502, "<html>bad gateway</html>")
	case "slow":
		<-r.Context().Done()
	case "drop":
		panic(http.ErrAbortHandler)
	case "drop after": // the event is there, and nobody hears of it
		s.add(room, kind, txn, body)
		panic(http.ErrAbortHandler)
	case "forbidden":
		answer(w, 403, `{"errcode":"M_FORBIDDEN","error":"User not in room"}`)
	case "malformed":
		answer(w, 200, `{"event_id":`)
	case "limit":
		answer(w, 429, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests","retry_after_ms":300}`)
	default:
		if id := s.add(room, kind, txn, body); id != "" {
			answer(w, 200, `{"event_id":"`+id+`"}`)
		} else {
			answer(w, 400, `{"errcode":"M_NOT_JSON","error":"Content not JSON."}`)
		}
	}
}

func (s *server) fault(room string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults[room]) == 0 {
		return ""
	}
	fault := s.faults[room][0]
	s.faults[room] = s.faults[room][1:]
	return fault
}

// add puts an event into a room, unless its transaction id was there before.
func (s *server) add(room, kind, txn string, body []byte) string {
	var content map[string]any
	if json.Unmarshal(body, &content) != nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := room + " " + txn
	if s.sent[key] == "" {
		s.sent[key] = fmt.Sprintf("$event%d", len(s.sent))
		s.events[room] = append(s.events[room], event{kind: kind, content: content})
	}
	return s.sent[key]
}

func (s *server) got(room string) []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]event{}, s.events[room]...)
}
