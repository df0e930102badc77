//go:build !wasip1

package sgs

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// runHTTP handles a message with f, whose requests get the answers.
func runHTTP(f func(*Call) error, answers ...Answer) Result {
	r := recorder{codec: codecMsgpack, answers: answers}
	r.run(&plugin{handle: f}, Message{})
	return r.result
}

func TestAPluginAsksAServer(t *testing.T) {
	t.Parallel()
	asked := []Request{
		{URL: "https://a.example/"},
		{Method: "POST", URL: "https://a.example/b", Header: map[string]string{"$odd": "1"}, Body: []byte("\xff\x00"), Timeout: 1500 * time.Millisecond, Secrets: []string{"key"}},
	}
	long := strings.Repeat("x", 2*firstHead)
	got := runHTTP(func(c *Call) error {
		r, err := c.HTTP.Get(asked[0].URL)
		require.NoError(t, err)
		require.Equal(t, 200, r.Status)
		require.Equal(t, asked[0].URL, r.URL)
		require.Equal(t, long, r.Header.Get("X-Long"))
		require.Empty(t, r.Header.Get("none"))
		piece := make([]byte, 8)
		for _, want := range []string{"first", "second p", "iece"} {
			n, err := r.Body.Read(piece)
			require.NoError(t, err)
			require.Equal(t, want, string(piece[:n]))
		}
		n, err := r.Body.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)
		_, err = r.Body.Read(piece)
		require.Equal(t, io.EOF, err)

		r, err = c.HTTP.Do(asked[1])
		require.NoError(t, err)
		require.Equal(t, 404, r.Status)
		text, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, "gone", string(text))
		require.NoError(t, r.Body.Close())
		require.NoError(t, r.Body.Close())
		_, err = r.Body.Read(piece)
		require.EqualError(t, err, "http: the body was closed")
		return nil
	}, Answer{Header: map[string]string{"x-long": long}, Body: []string{"first", "", "second piece"}}, Answer{Status: 404, Body: []string{"gone"}})
	require.Equal(t, Result{Requests: asked}, got)
}

func TestARequestFails(t *testing.T) {
	t.Parallel()
	got := runHTTP(func(c *Call) error {
		_, err := c.HTTP.Get("")
		require.EqualError(t, err, `http: EINVALID: a request has a "url", this one has none`)
		_, err = c.HTTP.Get("https://a.example/")
		var failed *HTTPError
		require.True(t, errors.As(err, &failed))
		require.Equal(t, HTTPError{abi.ErrnoDenied, "not there"}, *failed)
		r, err := c.HTTP.Get("https://a.example/")
		require.NoError(t, err)
		text, err := io.ReadAll(r.Body)
		require.Equal(t, "half", string(text))
		require.EqualError(t, err, "http: EUNAVAILABLE: cut short")
		_, again := r.Body.Read(make([]byte, 1))
		require.Equal(t, err, again)
		_, err = c.HTTP.Get("https://a.example/")
		return err
	}, Answer{Errno: abi.ErrnoDenied, Text: "not there"}, Answer{Status: 200, Body: []string{"half"}, Errno: abi.ErrnoUnavailable, Text: "cut short"})
	require.Equal(t, abi.StatusRetry, got.Status)
	require.Equal(t, "http: EUNAVAILABLE: the test has no answer for request 3", got.Reason)
	require.Len(t, got.Requests, 3)
	require.Len(t, got.Logs, 4)
}

func TestATestKeepsTheLimitOfRequests(t *testing.T) {
	t.Parallel()
	runHTTP(func(c *Call) error {
		for range abi.MaxRequests {
			r, err := c.HTTP.Get("https://a.example/")
			require.NoError(t, err)
			require.NoError(t, r.Body.Close())
		}
		_, err := c.HTTP.Get("https://a.example/")
		require.EqualError(t, err, "http: ELIMIT: the call has made its 100 requests")
		return nil
	}, make([]Answer, abi.MaxRequests+1)...)
}

func TestTestInCommitsAndAnswers(t *testing.T) {
	t.Cleanup(func() { registered = plugin{} })
	Handle(func(c *Call) error {
		r, err := c.HTTP.Get("https://a.example/")
		if err != nil {
			return err
		}
		text, err := io.ReadAll(r.Body)
		return errors.Join(err, c.State.Set("last", text))
	})
	state := map[string]string{}
	require.Equal(t, abi.StatusDone, TestIn(World{State: state, Answers: []Answer{{Body: []string{"a", "b"}}}}, Message{}).Status)
	require.Equal(t, map[string]string{"last": "ab"}, state)
	require.Equal(t, abi.StatusRetry, Test(Message{}).Status)
}
