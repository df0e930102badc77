package llm_test

import (
	"encoding/json"
	"io"
	"net/http"
)

// The API, as its documentation says that it answers.

// said is an event of the API's stream, with a part of the answer.
func said(text string) string {
	doc, err := json.Marshal(map[string]any{"choices": []any{map[string]any{"index": 0, "delta": map[string]any{"content": text}}}})
	if err != nil {
		panic(err)
	}
	return "data: " + string(doc) + "\n\n"
}

func finished(reason string) string {
	return `data: {"choices":[{"index":0,"delta":{},"finish_reason":"` + reason + `"}]}` + "\n\n"
}

const done = "data: [DONE]\n\n"

// stream answers with the pieces, each sent by itself.
func stream(pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, piece := range pieces {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// refuse answers with a status, an error as the API writes one, and header fields, name and value.
func refuse(status int, fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(fields); i += 2 {
			w.Header().Set(fields[i], fields[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error": {"message": "no\nsuch luck", "type": "some_error", "code": null}}`)
	}
}

// cut sends the pieces, and then cuts the connection.
func cut(pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stream(pieces...)(w, r)
		panic(http.ErrAbortHandler)
	}
}

// apis hands each request to the API that its last message names.
func apis(named map[string]http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Messages []struct{ Content string } }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Messages) == 0 {
			http.Error(w, "no such API", http.StatusNotImplemented)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the other side is gone
		named[body.Messages[len(body.Messages)-1].Content](w, r)
	}
}
