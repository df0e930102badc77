//go:build !wasip1

package sgs

import (
	"strconv"
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Result is what came of a message in a test.
type Result struct {
	// Status is what becomes of the message, and RetryAfter how long its next try waits at least.
	Status     abi.Status
	RetryAfter time.Duration
	// Reason is the text of the error or panic.
	Reason string
	// Emits are what the function emitted, as the daemon reads it. Unless Status is abi.StatusDone, the
	// daemon writes none of them.
	Emits []Emit
	// Logs are the lines for the log, each with its level in front: "info: hello".
	Logs []string
	// Writes are what the function has set and deleted in its State: one for each key, the last, in the order of the
	// first. Unless Status is abi.StatusDone, the daemon writes none of them.
	Writes []Write
	// Requests are what the function has asked for over HTTP, in order.
	Requests []Request
	// Counts are what the function has counted, by name.
	Counts map[string]int64
}

// Test runs the function that Handle registered on a message, natively, and says what came of it. Message and
// emits pass through the encoding that they have in the daemon. Its State is empty, and its
// requests fail; TestState and TestIn bring what it needs. It is for go test, and not there in a module.
//
// Tests may run it in parallel as far as the plugin's own variables allow; in the daemon each instance handles
// one message at a time.
func Test(m Message) Result { return TestState(nil, m) }

// TestConfigure runs the function that Configure registered on a configuration, and returns its error.
func TestConfigure(config Map) error {
	var r recorder
	doc, err := appendPacked(nil, config.sorted(), 0)
	if err != nil {
		return err
	}
	if registered.runConfigure(&r, string(doc)) != 0 {
		return &refusal{r.result.Reason}
	}
	return nil
}

// refusal is the reason that a configuration was refused for.
type refusal struct{ reason string }

// Error is the reason.
func (r *refusal) Error() string { return r.reason }

// recorder is a host that writes down what it is told.
type recorder struct {
	codec codec

	result    Result
	state     map[string]string // what the plugin finds
	reads     map[string]bool   // the keys of it that it has read
	readBytes int               // of their keys and values

	answers     []Answer           // to the requests, in order
	bodies      map[int32][]string // what is still to be read of those that are open, by handle
	httpFailure string             // why the last request was refused or has failed
}

// run hands the message to the plugin.
func (r *recorder) run(p *plugin, m Message) {
	doc, err := m.document(r.codec)
	if err != nil {
		r.result = Result{Status: abi.StatusRetry, Reason: "the test's message: " + err.Error()}
		return
	}
	r.result.Status, r.result.RetryAfter = abi.UnpackResult(p.runHandle(new(Call), r, string(doc)))
}

func (r *recorder) log(level abi.LogLevel, text string) {
	names := []string{abi.LogDebug: "debug", abi.LogInfo: "info", abi.LogWarn: "warn", abi.LogError: "error"}
	r.result.Logs = append(r.result.Logs, names[min(level, abi.LogError)]+": "+text)
}

func (r *recorder) fail(text string) { r.result.Reason = text }

func (r *recorder) emit(doc []byte) abi.Errno {
	d, err := r.codec.read(string(doc))
	if err != nil {
		r.log(abi.LogWarn, "an emit was refused: "+err.Error())
		return abi.ErrnoInvalid
	}
	e := Emit{Platform: d.Text("platform"), Stream: d.Text("stream"), Payload: d.Map("payload")}
	switch {
	case (e.Platform == "") == (e.Stream == ""):
		r.log(abi.LogWarn, "an emit was refused: exactly one of platform and stream must be given")
		return abi.ErrnoInvalid
	case len(r.result.Emits) == abi.MaxEmits:
		r.log(abi.LogWarn, "an emit was refused: the call has made its "+strconv.Itoa(abi.MaxEmits))
		return abi.ErrnoLimit
	}
	r.result.Emits = append(r.result.Emits, e)
	return abi.ErrnoOK
}

func (r *recorder) deadlineMS() int64 { return (30 * time.Second).Milliseconds() }
