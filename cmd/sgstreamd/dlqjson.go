package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/envelope"
)

// letterJSON is a dead letter as scripts see it. Text that is not UTF-8 is {"$str": base64}.
type letterJSON struct {
	ID             string `json:"id"`
	DeadLetteredAt string `json:"dead_lettered_at"`
	OriginalStream any    `json:"original_stream"`
	OriginalID     any    `json:"original_msg_id"`
	Attempt        any    `json:"attempt"`
	TraceID        any    `json:"trace_id"`
	TS             any    `json:"ts"`
	Error          any    `json:"error"`
	// Payload is the decoded payload; where it can't be decoded there are PayloadError and Data instead.
	Payload        json.RawMessage `json:"payload,omitempty"`
	PayloadError   string          `json:"payload_error,omitempty"`
	Data           *string         `json:"data,omitempty"`
	OriginalFields map[string]any  `json:"original_fields,omitempty"`
	OtherFields    map[string]any  `json:"other_fields,omitempty"`
}

func toJSON(l *consumer.Letter) letterJSON {
	doc := letterJSON{
		ID: l.ID, DeadLetteredAt: l.At().UTC().Format(time.RFC3339Nano),
		OriginalStream: jsonText(l.OriginalStream), OriginalID: jsonText(l.OriginalID), Attempt: jsonNumber(l.Attempt),
		TraceID: jsonText(l.TraceID), TS: jsonNumber(l.TS), Error: jsonText(l.Error),
		OriginalFields: jsonFields(l.Original), OtherFields: jsonFields(l.Other),
	}
	payload, err := envelope.ToJSON([]byte(l.Data))
	if err != nil {
		data := base64.StdEncoding.EncodeToString([]byte(l.Data))
		doc.PayloadError, doc.Data = err.Error(), &data
		return doc
	}
	doc.Payload = payload
	return doc
}

// jsonText is a text, or what stands for it where it is not UTF-8, as in the payload.
func jsonText(s string) any {
	if utf8.ValidString(s) {
		return s
	}
	return map[string]string{"$str": base64.StdEncoding.EncodeToString([]byte(s))}
}

// jsonNumber is a number where the text is one as JSON writes it, else the text.
func jsonNumber(s string) any {
	var n json.Number
	if json.Unmarshal([]byte(s), &n) == nil && n.String() == s {
		return n
	}
	return jsonText(s)
}

func jsonFields(fields map[string]string) map[string]any {
	doc := make(map[string]any, len(fields))
	for name, value := range fields {
		doc[name] = jsonText(value)
	}
	return doc
}

// printJSON prints an object a line.
func printJSON(w io.Writer, letters iter.Seq2[consumer.Letter, error]) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for l, err := range letters {
		if err != nil {
			return err
		}
		if err := out.Encode(toJSON(&l)); err != nil {
			return err
		}
	}
	return nil
}
