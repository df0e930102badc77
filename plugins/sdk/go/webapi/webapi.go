// Package webapi asks the HTTP APIs of chat platforms: JSON and forms, what an answer means, and how long to wait.
package webapi

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

// maxAnswer bounds what is read of an answer's body, in bytes. What is longer counts as no JSON.
const maxAnswer = 1 << 20

// margin is what a request leaves of the call's time, for the plugin to say what came of it.
const margin = time.Second

// Answer is what a server has answered.
type Answer struct {
	// Status is the status, such as 200.
	Status int
	Header sgs.Header
	// Body is the body, if it is a JSON object; else nil.
	Body sgs.Map
	// Text is the beginning of a body that is none, in one line.
	Text string
}

// Do sends a request and reads all of the answer. The request gets the time that the call has left, less a second.
// Every status is an answer; an error is a *Failure.
func Do(c *sgs.Call, r sgs.Request) (*Answer, error) {
	left := time.Until(c.Deadline()) - margin
	if left <= 0 {
		return nil, &Failure{Outcome: Later, Reason: "the call has no time left for another request"}
	}
	r.Timeout = left
	response, err := c.HTTP.Do(r)
	if err != nil {
		return nil, failed(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, &Failure{Outcome: Unsure, Reason: "answered " + strconv.Itoa(response.Status) + ", and then " + err.Error()}
	}
	answer := &Answer{Status: response.Status, Header: response.Header}
	if len(body) <= maxAnswer {
		if parsed, err := sgs.Parse(body); err == nil {
			answer.Body = parsed
			return answer, nil
		}
	}
	answer.Text = oneLine(string(body[:min(len(body), 200)]))
	return answer, nil
}

func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
}

// Outcome is what has become of something that was asked for.
type Outcome int

const (
	// Refused was not done, and asking again would change nothing.
	Refused Outcome = iota + 1
	// Later was not done, and may be if it is asked for again.
	Later
	// Unsure may have been done, or not.
	Unsure
)

// Failure is why something was not done, or is not known to be.
type Failure struct {
	Outcome Outcome
	// After is how long the server wants to be left alone; 0 if it has not said.
	After time.Duration
	// Reason says why, in one line.
	Reason string
}

// Error implements error.
func (f *Failure) Error() string { return f.Reason }

// failed says what an error of c.HTTP.Do means.
func failed(err error) *Failure {
	f := &Failure{Outcome: Unsure, Reason: err.Error()}
	var refused *sgs.HTTPError
	switch {
	case !errors.As(err, &refused), refused.Errno == abi.ErrnoInvalid:
		f.Outcome = Refused
	case refused.Errno == abi.ErrnoDenied: // the operator may allow it
		f.Outcome = Later
	case strings.HasPrefix(refused.Text, "dial "): // there was no connection to send anything on
		f.Outcome = Later
	}
	return f
}

// RetryAfter returns how long the field Retry-After of a response asks to wait, in seconds or until a date, at most a day;
// 0 if it doesn't.
func RetryAfter(h sgs.Header) time.Duration {
	text := h.Get("retry-after")
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return Seconds(seconds)
	}
	if at, err := time.Parse(time.RFC1123, text); err == nil {
		return Seconds(time.Until(at).Seconds())
	}
	return 0
}

// Seconds is a number of seconds, at least 0 and at most a day, rounded up to a millisecond.
func Seconds(n float64) time.Duration {
	if !(n > 0) { // nor is it NaN
		return 0
	}
	return time.Duration(min(n, 24*60*60)*1000+0.999) * time.Millisecond
}

// Pause waits within the call, if the call has the time for that and three seconds more; else it returns false at once.
func Pause(c *sgs.Call, d time.Duration) bool {
	if time.Until(c.Deadline()) < d+3*time.Second {
		return false
	}
	time.Sleep(d)
	return true
}
