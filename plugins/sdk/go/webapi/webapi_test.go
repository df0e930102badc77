package webapi

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
	"sync"
	"testing"
	"time"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

func TestWritesForms(t *testing.T) {
	t.Parallel()
	var form Form
	form.JSON("payload_json", []byte(`{"a":1}`))
	form.Text("chat_id", "42")
	form.File("files[0]", "a\"b\r\n.png", "image/png", []byte("--sgstreamd\r\n--sgstreamd-0--\r\n"))
	contentType, body := form.Encode()
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	r := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for _, want := range []struct{ name, file, contentType, data string }{
		{"payload_json", "", "application/json", `{"a":1}`},
		{"chat_id", "", "", "42"},
		{"files[0]", "a%22b%0D%0A.png", "image/png", "--sgstreamd\r\n--sgstreamd-0--\r\n"},
	} {
		p, err := r.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(p)
		if err != nil || p.FormName() != want.name || p.FileName() != want.file || p.Header.Get("Content-Type") != want.contentType || string(data) != want.data {
			t.Errorf("%v, not %v: %q %v", p.Header, want, data, err)
		}
	}
	if _, err := r.NextPart(); err != io.EOF {
		t.Errorf("after the last part: %v", err)
	}
}

func TestReadsHowLongToWait(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "0.2504": 251 * time.Millisecond, "-1": 0, "NaN": 0, "Inf": 24 * time.Hour, "soon": 0, "1e99": 24 * time.Hour,
		"Mon, 02 Jan 2006 15:04:05 GMT": 0, "Fri, 31 Dec 9999 23:59:59 GMT": 24 * time.Hour,
	} {
		if got := RetryAfter(sgs.Header{"retry-after": {text}}); got != want {
			t.Errorf("%q: %v, not %v", text, got, want)
		}
	}
	at := time.Now().Add(time.Minute).UTC().Format("Mon, 02 Jan 2006 15:04:05") + " GMT"
	if got := RetryAfter(sgs.Header{"retry-after": {at}}); got < 50*time.Second || got > time.Minute {
		t.Errorf("a date: %v", got)
	}
}

func TestRemembersLimitsAndNotTooMany(t *testing.T) {
	t.Parallel()
	var l Limits
	l.Note("a", time.Hour)
	l.Note("a", time.Minute)
	l.Note("b", 0)
	if got := l.Wait("b", "a"); got <= 59*time.Minute || got > time.Hour {
		t.Errorf("a: %v", got)
	}
	if got := l.Wait("b", "c"); got != 0 {
		t.Errorf("b and c: %v", got)
	}
	var wg sync.WaitGroup
	for i := range 3 * maxLimits {
		wg.Go(func() { l.Note("k"+strconv.Itoa(i), time.Hour); l.Wait("a") })
	}
	wg.Wait()
	if len(l.until) != maxLimits {
		t.Errorf("%d are kept", len(l.until))
	}
}

func TestSegmentsAndKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"!r:example.org": "%21r%3Aexample.org", "..": "%2E%2E", ".": "%2E", "a.b~-_/é": "a.b~-_%2F%C3%A9"} {
		if got := Segment(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	if a, b := Key("sgs:s:1-0:0"), Key("sgs:s:1-0:1"); len(a) != 22 || a == b || Segment(a) != a {
		t.Errorf("%s %s", a, b)
	}
}
