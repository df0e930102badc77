package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

func startState(t testing.TB, c Client) *State {
	s := StartState(c, DefaultState())
	t.Cleanup(s.Close)
	return s
}

// commandsSeen is how often the server has run a command.
func commandsSeen(t testing.TB, c Client, command string) (n int) {
	stats, err := c.Info(context.Background(), "commandstats").Result()
	require.NoError(t, err)
	for line := range strings.Lines(stats) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_"+command+":calls="); ok {
			_, err := fmt.Sscanf(rest, "%d", &n)
			require.NoError(t, err)
		}
	}
	return n
}

func readsWhatAPluginKeeps(t *testing.T, r *rig) {
	s := startState(t, r.redis)
	odd := "a:b \x00\xff\r\n"
	for key, value := range map[string]string{
		"sg:state:p:a": "1", "sg:state:p:empty": "", "sg:state:p:" + odd: odd, "sg:state:q:a": "another plugin's",
	} {
		require.NoError(t, r.redis.Set(r.ctx, key, value, 0).Err())
	}
	for key, want := range map[string]string{"a": "1", "empty": "", odd: odd} {
		value, found, err := s.Get(r.ctx, "p", key)
		require.NoError(t, err)
		require.True(t, found, "%q", key)
		require.Equal(t, want, string(value))
	}
	value, found, err := s.Get(r.ctx, "p", "missing")
	require.NoError(t, err)
	require.False(t, found)
	require.Nil(t, value)
}

func TestStateIsReadFromThePluginsOwnKeys(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	readsWhatAPluginKeeps(t, r)
}

func TestTheEmbeddedServerHasStateToo(t *testing.T) {
	t.Parallel()
	readsWhatAPluginKeeps(t, newEmbeddedRig(t))
}

func TestTheStatesPrefixIsTheOperators(t *testing.T) {
	t.Parallel()
	require.Equal(t, "sg:state:p:", (&StateConfig{Prefix: "sg:state:"}).PrefixOf("p"))
	require.Equal(t, "xp:", (&StateConfig{Prefix: "x"}).PrefixOf("p"))
}

func TestOneReadOfStateIsOneCommand(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	s := startState(t, r.redis)
	before := commandsSeen(t, r.redis, "get")
	_, _, err := s.Get(r.ctx, "p", "a")
	require.NoError(t, err)
	require.Equal(t, 1, commandsSeen(t, r.redis, "get")-before)
}

// Many calls at once get their own values, and leave the workers' connections alone.
func TestReadsOfStateShareAConnectionOfTheirOwn(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	c := r.dial(1)
	s := startState(t, c)
	for i := range 500 {
		require.NoError(t, r.redis.Set(r.ctx, fmt.Sprintf("sg:state:p:%d", i), i, 0).Err())
	}
	var calls sync.WaitGroup
	for i := range 1000 {
		calls.Go(func() {
			value, found, err := s.Get(r.ctx, "p", fmt.Sprint(i))
			if err != nil || found != (i < 500) || found && string(value) != fmt.Sprint(i) {
				t.Errorf("%d: %q, %v, %v", i, value, found, err)
			}
		})
	}
	calls.Wait()
	require.Zero(t, c.PoolStats().TotalConns)
	require.EqualValues(t, 1, c.PoolStats().PipelineStats.TotalConns)
}

// What is wrong with one key is nothing to those that are read with it.
func TestAKeyThatIsNoStringFailsItsReadOnly(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	s := startState(t, r.redis)
	require.NoError(t, r.redis.Set(r.ctx, "sg:state:p:good", "1", 0).Err())
	require.NoError(t, r.redis.HSet(r.ctx, "sg:state:p:bad", "a", "b").Err())
	bad, good := stateRead{"sg:state:p:bad", make(chan stateAnswer, 1)}, stateRead{"sg:state:p:good", make(chan stateAnswer, 1)}
	s.flush(r.ctx, 0, []stateRead{bad, good})
	a := <-bad.answer
	require.ErrorContains(t, a.err, `key "sg:state:p:bad" is not a string; rename or delete it, or configure another state.prefix: WRONGTYPE`)
	require.NotContains(t, a.err.Error(), "\n")
	require.Equal(t, stateAnswer{value: []byte("1"), found: true}, <-good.answer)
}

func TestAMissingRightToReadStateIsNamed(t *testing.T) {
	t.Parallel()
	r := startAsUser(t, "resetchannels -@all ~sg:state:* +hello +ping +set")
	_, _, err := startState(t, r.dial(1)).Get(r.ctx, "p", "a")
	require.ErrorContains(t, err, `key "sg:state:p:a": the Redis user lacks a right; grant it: NOPERM`)
}

// A connection that breaks is an error, and never a key that is not there. The next read finds Redis well.
func TestALostReplyIsNoAbsence(t *testing.T) {
	t.Parallel()
	r, p := newProxiedRig(t)
	s := startState(t, r.dial(1))
	require.NoError(t, r.redis.Set(r.ctx, "sg:state:p:a", "1", 0).Err())
	for range 3 {
		lost := p.DropReply("get", "sg:state:p:a", "")
		_, found, err := s.Get(r.ctx, "p", "a")
		require.Error(t, err)
		require.False(t, found)
		receive(t, lost, "the lost reply")
		value, found, err := s.Get(r.ctx, "p", "a")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, "1", string(value))
	}
}

func TestARedisThatIsAwayIsAnError(t *testing.T) {
	t.Parallel()
	r, server := newRig(t)
	s := startState(t, r.redis)
	server.Kill()
	_, _, err := s.Get(r.ctx, "p", "a")
	require.ErrorContains(t, err, "redis: dial tcp")
	require.NotContains(t, err.Error(), "\n")
	server.Restart()
	_, found, err := s.Get(r.ctx, "p", "a")
	require.NoError(t, err)
	require.False(t, found)
}

// A read that hangs ends with the call that waits for it, and by itself after 2 s.
func TestAReadOfStateThatHangs(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	c := r.dial(1)
	s := startState(t, c)
	_, _, err := s.Get(r.ctx, "p", "a")
	require.NoError(t, err)
	require.NoError(t, r.redis.Do(r.ctx, "CLIENT", "PAUSE", "60000", "ALL").Err())

	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	ended := make(chan error, 1)
	begun := time.Now()
	go func() {
		_, _, err := s.Get(ctx, "p", "a")
		ended <- err
	}()
	eventually(t, "the read is on its way", func() bool { return c.PoolStats().PipelineStats.IdleConns == 0 })
	cancel()
	require.ErrorIs(t, receive(t, ended, "the cancelled read"), context.Canceled)
	require.Less(t, time.Since(begun), stateTimeout/2, "it did not wait for Redis")

	_, _, err = s.Get(r.ctx, "p", "a")
	require.True(t, errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "i/o timeout"), "%v", err)
	require.Less(t, time.Since(begun), 2*stateTimeout)
}

// One kv_get as it is without the sandbox: a round trip to a Redis on this machine.
func BenchmarkState(b *testing.B) {
	server := redistest.Start(b)
	c, err := Dial(RedisConfig{URL: server.URL()}, 1)
	require.NoError(b, err)
	b.Cleanup(func() { _ = c.Close() })
	s := startState(b, c)
	require.NoError(b, c.Set(context.Background(), "sg:state:p:count:discord:42", "41", 0).Err())
	get := func() {
		if _, _, err := s.Get(context.Background(), "p", "count:discord:42"); err != nil {
			b.Error(err)
		}
	}
	b.Run("one at a time", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			get()
		}
	})
	b.Run("64 at a time", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				get()
			}
		})
	})
}
