package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/consumer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMomentsAreDurationsOrTimes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "2h": now.Add(-2 * time.Hour), "0s": now, "1h30m": now.Add(-90 * time.Minute),
		"2026-01-31T12:00:00Z": now, "2026-01-31T13:00:00.5+01:00": now.Add(500 * time.Millisecond),
	} {
		got, err := parseMoment(text, now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(got), "%s is %v", text, got)
	}
	for _, text := range []string{"2", "-2h", "yesterday", "2026-01-31", "2026-01-31 12:00:00"} {
		_, err := parseMoment(text, now)
		require.ErrorContains(t, err, "neither a duration such as 2h nor a time", text)
	}
}

func TestAgesHaveOneUnit(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", 59 * time.Second: "59s", 60 * time.Second: "1m", time.Hour - 1: "59m",
		time.Hour: "1h", 48*time.Hour - 1: "47h", 48 * time.Hour: "2d",
	} {
		require.Equal(t, want, age(d))
	}
}

func TestNothingInALetterSteersTheTerminal(t *testing.T) {
	t.Parallel()
	require.Equal(t, `\x1b[2J\r\n\a\u009b\u202e`, clean("\x1b[2J\r\n\a\u009b\u202e"))
	require.Equal(t, `a\xffb`, clean("a\xffb"))
	for _, fine := range []string{"", "ümläut \\n", "👩\u200d💻", "\uFFFD", "你好"} {
		require.Equal(t, fine, clean(fine))
	}
}

func TestALetterAsJSON(t *testing.T) {
	t.Parallel()
	line, err := json.Marshal(toJSON(&consumer.Letter{
		ID: "1500-0", OriginalStream: "in", OriginalID: "7-1", Error: "no \xff", Attempt: "3", TS: "1.25", TraceID: "007",
		Data:     "\x82\xa1n\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1b\xc4\x01\x00",
		Original: map[string]string{"shard": "7"}, Other: map[string]string{"worker": "py"},
	}))
	require.NoError(t, err)
	require.Equal(t, `{"id":"1500-0","dead_lettered_at":"1970-01-01T00:00:01.5Z","original_stream":"in","original_msg_id":"7-1",`+
		`"attempt":3,"trace_id":"007","ts":1.25,"error":{"$str":"bm8g/w=="},"payload":{"n":18446744073709551615,"b":{"$binary":"AA=="}},`+
		`"original_fields":{"shard":"7"},"other_fields":{"worker":"py"}}`, string(line))
}

func TestAPayloadThatCannotBeDecodedIsKeptInJSON(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", "\xc1", "\x93\x01"} {
		doc := toJSON(&consumer.Letter{ID: "1-0", Data: data})
		require.Nil(t, doc.Payload)
		require.Contains(t, doc.PayloadError, "payload is not msgpack")
		kept, err := base64.StdEncoding.DecodeString(*doc.Data)
		require.NoError(t, err)
		require.Equal(t, data, string(kept))
	}
}

func TestNumbersOfForeignersStayText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "many", "007", "0x1", `"5"`, " 5", "null", "1e", "NaN"} {
		require.Equal(t, text, jsonNumber(text))
	}
	for _, number := range []string{"3", "-1", "1700000000.123456", "1e400", "123456789012345678901234567890"} {
		require.Equal(t, json.Number(number), jsonNumber(number))
	}
}

func TestAShownLetterHasEveryField(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, printLetter(&out, &consumer.Letter{
		ID: "1500-0", OriginalStream: "in", OriginalID: "7-1", Error: "two\nlines\x1b", Attempt: "3", TS: "1.25", TraceID: "tr",
		Data: "\x81\xa1k\xa3a\x7fb", Original: map[string]string{"shard": "7"}, Other: map[string]string{"worker": "py"},
	}))
	for _, want := range []string{
		"id                    1500-0\n", "dead-lettered         1970-01-01T00:00:01Z, ", "original_stream       in\n", "original_msg_id       7-1\n",
		"attempt               3\n", "ts                    1.25\n", "trace_id              tr\n", "error                 two\n                      lines\\x1b\n",
		"worker                py\n", "original_field:shard  7\n", "\npayload:\n{\n  \"k\": \"a\\x7fb\"\n}\n",
	} {
		require.Contains(t, out.String(), want)
	}
	text := payloadText(strings.Repeat("\xc1", 2*shownBytes))
	require.Contains(t, text, "payload: 1024 bytes that can't be decoded: payload is not msgpack")
	require.Contains(t, text, "000001f0  c1 c1")
	require.NotContains(t, text, "00000200")
}

func FuzzLetterJSON(f *testing.F) {
	f.Add("\x81\xa1k\x01", "no luck", "3", "shard")
	f.Add("\xc1", "\xff", "1e400", "")
	f.Fuzz(func(t *testing.T, data, text, attempt, name string) {
		l := &consumer.Letter{ID: "1-0", Data: data, Error: text, Attempt: attempt, Original: map[string]string{name: text}}
		line, err := json.Marshal(toJSON(l))
		if err != nil {
			t.Fatalf("%+v has no JSON: %v", l, err)
		}
		if !json.Valid(line) {
			t.Errorf("%+v: %s", l, line)
		}
		if printable := clean(text); strings.ContainsAny(printable, "\x1b\r\n\a\x7f") {
			t.Errorf("%q steers the terminal", printable)
		}
	})
}
