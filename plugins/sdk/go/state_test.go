//go:build !wasip1

package sgs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// runState handles a message with f, which finds the state.
func runState(f func(*Call) error, state map[string]string) Result {
	r := recorder{codec: codecMsgpack, state: state}
	r.run(&plugin{handle: f}, Message{})
	return r.result
}

func TestAPluginSeesItsStateAndItsOwnWrites(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*firstRead+1)
	got := runState(func(c *Call) error {
		see := func(key, want string) {
			value, found, err := c.State.Get(key)
			require.NoError(t, err)
			require.True(t, found, key)
			require.Equal(t, want, string(value))
		}
		see("a", "old")
		see("empty", "")
		see("long", long)
		_, found, err := c.State.Get("missing")
		require.NoError(t, err)
		require.False(t, found)
		value := []byte("new")
		require.NoError(t, c.State.Set("a", value))
		value[0] = 'X'
		see("a", "new")
		require.NoError(t, c.State.SetTTL("b", nil, 1500*time.Millisecond))
		see("b", "")
		require.NoError(t, c.State.SetTTL("c", []byte("1"), time.Nanosecond))
		require.NoError(t, c.State.Delete("long"))
		_, found, err = c.State.Get("long")
		require.NoError(t, err)
		require.False(t, found)
		require.NoError(t, c.State.Set("a", []byte("newest")))
		return nil
	}, map[string]string{"a": "old", "empty": "", "long": long})
	require.Equal(t, Result{Writes: []Write{
		{Key: "a", Value: []byte("newest")}, {Key: "b", Value: []byte{}, TTL: 1500 * time.Millisecond},
		{Key: "c", Value: []byte("1"), TTL: time.Millisecond}, {Key: "long", Delete: true},
	}}, got)
}

func TestStateIsRefused(t *testing.T) {
	t.Parallel()
	invalid, limit := abi.ErrnoInvalid, abi.ErrnoLimit
	for name, c := range map[string]struct {
		use   func(s State) error
		errno abi.Errno
		text  string
	}{
		"get no key":          {func(s State) error { _, _, err := s.Get(""); return err }, invalid, "kv_get: EINVALID: the key or name is malformed, or the number out of range"},
		"get a long key":      {func(s State) error { _, _, err := s.Get(strings.Repeat("k", 513)); return err }, limit, "kv_get: ELIMIT: too much, or too large"},
		"set no key":          {func(s State) error { return s.Set("", nil) }, invalid, "kv_set: EINVALID: the key or name is malformed, or the number out of range"},
		"set a large value":   {func(s State) error { return s.Set("a", make([]byte, abi.MaxStateValueBytes+1)) }, limit, "kv_set: ELIMIT: too much, or too large"},
		"no time to live":     {func(s State) error { return s.SetTTL("a", nil, 0) }, invalid, "kv_set: EINVALID: the key or name is malformed, or the number out of range"},
		"a negative one":      {func(s State) error { return s.SetTTL("a", nil, -time.Second) }, invalid, "kv_set: EINVALID: the key or name is malformed, or the number out of range"},
		"one of four decades": {func(s State) error { return s.SetTTL("a", nil, 40*365*24*time.Hour) }, limit, "kv_set: ELIMIT: too much, or too large"},
		"delete no key":       {func(s State) error { return s.Delete("") }, invalid, "kv_set: EINVALID: the key or name is malformed, or the number out of range"},
	} {
		got := runState(func(call *Call) error {
			err := c.use(call.State)
			var refused *HostError
			require.ErrorAs(t, err, &refused, name)
			require.Equal(t, c.errno, refused.Errno, name)
			return err
		}, nil)
		require.Equal(t, abi.StatusRetry, got.Status, name)
		require.Equal(t, c.text, got.Reason, name)
		require.Empty(t, got.Writes, name)
	}
}

// What would fail in the daemon fails in the test.
func TestATestKeepsTheLimitsOfTheState(t *testing.T) {
	t.Parallel()
	limited := func(err error) bool {
		var refused *HostError
		return errors.As(err, &refused) && refused.Errno == abi.ErrnoLimit
	}
	runState(func(c *Call) error {
		for i := range abi.MaxStateWrites {
			require.NoError(t, c.State.Set(fmt.Sprint(i), nil))
		}
		require.True(t, limited(c.State.Delete("one more")))
		require.NoError(t, c.State.Set("0", []byte("again")))
		return nil
	}, nil)
	runState(func(c *Call) error {
		for i := range abi.MaxStateReads {
			_, _, err := c.State.Get(fmt.Sprint(i))
			require.NoError(t, err)
		}
		_, _, err := c.State.Get("one more")
		require.True(t, limited(err))
		_, _, err = c.State.Get("0")
		require.NoError(t, err)
		return nil
	}, nil)
	full := strings.Repeat("x", abi.MaxStateValueBytes)
	runState(func(c *Call) error {
		for _, key := range []string{"a", "b", "c"} {
			_, _, err := c.State.Get(key)
			require.NoError(t, err)
			require.NoError(t, c.State.Set(key+"'", []byte(full)))
		}
		require.NoError(t, c.State.Set("a'", []byte(full)), "what is overwritten counts no more")
		_, _, err := c.State.Get("d")
		require.True(t, limited(err))
		require.True(t, limited(c.State.Set("d'", []byte(full))))
		return nil
	}, map[string]string{"a": full, "b": full, "c": full, "d": full})
}

// offline is a host whose Redis is away.
type offline struct{ recorder }

func (*offline) kvGet(string, []byte) int32 { return int32(abi.ErrnoUnavailable) }

func TestAnUnreadableStateIsRetried(t *testing.T) {
	t.Parallel()
	p := plugin{handle: func(c *Call) error {
		_, _, err := c.State.Get("a")
		return err
	}}
	doc, err := (&Message{}).document(codecMsgpack)
	require.NoError(t, err)
	var h offline
	status, _ := abi.UnpackResult(p.runHandle(new(Call), &h, string(doc)))
	require.Equal(t, abi.StatusRetry, status)
	require.Equal(t, "kv_get: EUNAVAILABLE: the value could not be read from Redis", h.result.Reason)
}

func TestAPluginCounts(t *testing.T) {
	t.Parallel()
	got := runState(func(c *Call) error {
		require.NoError(t, c.Count("jokes", 1))
		require.NoError(t, c.Count("jokes", 2))
		require.NoError(t, c.Count("none_0", 0))
		require.EqualError(t, c.Count("Jokes", 1), "metric_add: EINVALID: the key or name is malformed, or the number out of range")
		require.ErrorContains(t, c.Count("", 1), "EINVALID")
		require.ErrorContains(t, c.Count("jokes", -1), "EINVALID")
		require.ErrorContains(t, c.Count(strings.Repeat("n", 65), 1), "ELIMIT")
		return Reject("counted all the same")
	}, nil)
	require.Equal(t, map[string]int64{"jokes": 3, "none_0": 0}, got.Counts)
}

func TestTestStateCommitsWhatIsDone(t *testing.T) {
	t.Cleanup(func() { registered = plugin{} })
	Handle(func(c *Call) error {
		if err := errors.Join(c.State.Set("a", []byte("2")), c.State.Delete("b")); err != nil {
			return err
		}
		if c.Message.Text("then") == "fail" {
			return Drop()
		}
		return nil
	})
	state := map[string]string{"a": "1", "b": "1"}
	got := TestState(state, Message{Payload: Map{"then": "fail"}})
	require.Equal(t, abi.StatusDrop, got.Status)
	require.Len(t, got.Writes, 2)
	require.Equal(t, map[string]string{"a": "1", "b": "1"}, state)
	require.Equal(t, abi.StatusDone, TestState(state, Message{}).Status)
	require.Equal(t, map[string]string{"a": "2"}, state)
	require.Len(t, Test(Message{}).Writes, 2)
}
