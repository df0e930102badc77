package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

const (
	soakLives    = 1000 // workers that die
	soakRolling  = 16   // of them at a time
	soakChannels = 400
	soakBacklog  = 800 // messages that are sent and not settled, at most
	// soakWarmUp lives come before the first measurement: pools, maps and the server's connections have their size by then.
	soakWarmUp = 100
	// soakGoroutines are more than ever run at a time. The runtime keeps the descriptors of those that have ended for others,
	// so that many are started before the first measurement.
	soakGoroutines = 5000
	// soakHeap is what the heap may have grown by: 0.5 KiB a life. A worker that is not let go of costs more than 50 KiB,
	// and a context that is not cancelled 0.25 KiB with each of some four messages a life. Less than 0.1 KiB is seen.
	soakHeap = 512 * soakLives
)

// A day of a fleet, in fast-forward: what takes a minute in life takes 0.4 s, and a thousand workers are killed in
// mid-call. Their work is done by those that come after them, once and in order, and nothing is left of them.
//
// It does not run beside other tests: it measures the process.
func TestAThousandWorkersDieAndLeaveNothingBehind(t *testing.T) {
	s := newSoak(t)
	survivors := []*run{s.startSurvivor(), s.startSurvivor()}
	startMany(soakGoroutines)
	s.killWorkers(soakWarmUp)
	s.settle()
	s.awaitOnly(survivors)
	goroutines, heap := runtime.NumGoroutine(), heapInUse()

	s.killWorkers(soakLives - soakWarmUp)
	require.Greater(t, len(s.consumers()), len(survivors)+soakRolling, "the dead are there to be forgotten")
	require.NotEmpty(t, s.pending(), "the last of them held something")
	s.settle()
	s.awaitOnly(survivors)
	eventually(t, "no goroutine is left behind", func() bool { return runtime.NumGoroutine() <= goroutines })
	after := heapInUse()
	require.Less(t, after, heap+soakHeap, "bytes on the heap")
	t.Logf("%d lives, %d goroutines, heap %d bytes before and %d after", soakLives, goroutines, heap, after)

	s.requireEachEffectOnce()
	for _, w := range survivors {
		require.NoError(t, w.stopped())
	}
	require.Empty(t, s.strays(nil), "keys that are left behind")
	require.Subset(t, []string{parkedConsumer}, s.consumers())
}

// startMany lets so many goroutines run at the same time.
func startMany(n int) {
	var all sync.WaitGroup
	end := make(chan struct{})
	for range n {
		all.Go(func() { <-end })
	}
	close(end)
	all.Wait()
}

// heapInUse is what is reachable, in bytes.
func heapInUse() uint64 {
	// What finalizers let go of is free after the second.
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// soak is a rig with a fleet that never rests.
type soak struct {
	*rig
	kept *State
	dead sync.WaitGroup // killed workers whose goroutines have not ended yet
	sent [soakChannels]int
}

func newSoak(t *testing.T) *soak {
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle, r.in.Autoclaim.Interval = 400*time.Millisecond, 100*time.Millisecond
	r.in.Lock.TTL = 300 * time.Millisecond
	r.in.MaxAttempts = 1000       // each that dies with a message costs it one
	r.level = slog.LevelError + 1 // none: the heap is measured, and the log would be on it
	return &soak{rig: r, kept: startState(t, r.redis)}
}

// startSurvivor starts a worker that lives until the test's end, and is too small to do all the work.
func (s *soak) startSurvivor() *run {
	cfg := Inbound(Name(), s.in, s.out, s.rig.dead, s.state)
	cfg.MaxInFlight = 4
	return s.startWith(cfg, s.dial(1), func(ctx context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		pause(ctx, 5*time.Millisecond) // a short call, so that the others come to something
		return s.handle(ctx, m)
	})
}

// poisoned are the messages, by their channel and number, that no worker can handle.
func poisoned(c, n int) bool { return (c+7*n)%20 == 13 }

// flaky are those that fail at their first try.
func flaky(c, n int) bool { return (c+7*n)%10 == 7 }

// handle counts a channel's messages in the state, and answers with what it was told. Some fail at first, and some always.
func (s *soak) handle(ctx context.Context, m *abi.Message) (abi.Verdict, error) {
	var c, n int
	if _, err := fmt.Sscanf(contentOf(m), "c%d/%d", &c, &n); err != nil {
		return abi.Verdict{}, err
	}
	if poisoned(c, n) {
		return abi.Verdict{Status: abi.StatusReject, Reason: "poison"}, nil
	}
	if flaky(c, n) && m.Attempt == 1 {
		return abi.Verdict{Status: abi.StatusRetry}, nil
	}
	value, found, err := s.kept.Get(ctx, s.in.Processor, m.ChannelKey)
	if err != nil {
		return abi.Verdict{}, err
	}
	count, _ := strconv.Atoi(string(value))
	v := answer(m)
	v.Reads = []abi.StateRead{{Key: m.ChannelKey, Value: value, Found: found}}
	v.Writes = []abi.StateWrite{{Key: m.ChannelKey, Value: strconv.AppendInt(nil, int64(count+1), 10)}}
	return v, nil
}

// killWorkers starts so many workers, some at a time, and kills each in mid-call.
func (s *soak) killWorkers(lives int) {
	var next atomic.Int64
	next.Store(int64(lives))
	var rolling sync.WaitGroup
	for range soakRolling {
		rolling.Go(func() {
			for n := next.Add(-1); n >= 0 && !s.t.Failed(); n = next.Add(-1) {
				s.live(int(n))
			}
		})
	}
	killed := make(chan struct{})
	go func() { defer close(killed); rolling.Wait() }()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for ; !isDone(killed); <-again.C {
		for s.unsettled() < soakBacklog {
			s.sendMore()
		}
	}
}

// live runs a worker until one of its first calls, in which it is killed.
func (s *soak) live(n int) {
	client, err := Dial(s.redco, 1)
	if err != nil {
		s.t.Error(err)
		return
	}
	cfg := Inbound(Name(), s.in, s.out, s.rig.dead, s.state)
	cfg.MaxInFlight = 3
	var calls atomic.Int64
	dying := make(chan struct{})
	handle := func(ctx context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		switch last := int64(1 + n%4); calls.Add(1) {
		case last:
			close(dying)
			<-ctx.Done()
			return abi.Verdict{}, context.Cause(ctx)
		default:
			return s.handle(ctx, m)
		}
	}
	w := NewWorker(cfg, client, handlerFunc(handle), NewMetrics(nil), slog.New(slog.DiscardHandler))
	ctx, cut := context.WithCancel(context.Background())
	s.dead.Go(func() { _ = w.Run(ctx, ctx) })
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case <-dying:
	case <-deadline.C:
		s.t.Error("waited in vain: a call of a worker that is to die")
	}
	// A kill, as Redis sees it: the connections are closed, and this consumer never speaks again.
	_ = client.Close()
	cut()
}

// sendMore appends a message to each of the channels in one round trip. Every other one is addressed.
func (s *soak) sendMore() {
	_, err := s.redis.Pipelined(s.ctx, func(p redis.Pipeliner) error {
		for c := range s.sent {
			channel := fmt.Sprint("c", c)
			content := fmt.Sprintf("%s/%d", channel, s.sent[c])
			p.XAdd(s.ctx, &redis.XAddArgs{Stream: s.in.Stream, Values: []any{"data", encode(map[string]any{
				"platform": platform, "channel_key": channel, "is_addressed": s.sent[c]%2 == 0, "content": content,
			}), "trace_id", content}})
			s.sent[c]++
		}
		return nil
	})
	require.NoError(s.t, err)
}

// unsettled is how many messages have neither an answer nor a dead letter.
func (s *soak) unsettled() int {
	settled := s.redis.XLen(s.ctx, s.out.StreamOf(platform)).Val() + s.redis.XLen(s.ctx, s.rig.dead.Stream).Val()
	all := 0
	for _, n := range s.sent {
		all += n
	}
	return all - int(settled)
}

// settle waits until everything that was sent is done, and the goroutines of the dead have ended.
func (s *soak) settle() {
	eventually(s.t, "every message is settled", func() bool { return s.unsettled() <= 0 })
	s.awaitNothingPending()
	s.dead.Wait()
}

// awaitOnly waits until the group has no consumers but these, and Redis no keys of others.
func (s *soak) awaitOnly(living []*run) {
	var names []string
	for _, w := range living {
		names = append(names, w.cfg.Consumer)
	}
	eventually(s.t, "the dead are forgotten", func() bool {
		return !slices.ContainsFunc(s.consumers(), func(name string) bool { return name != parkedConsumer && !slices.Contains(names, name) })
	})
	require.Empty(s.t, s.strays(names), "keys that are left behind")
}

// strays are the keys that only work which is not done, or a worker that is not one of the living, would have; and those
// that stay for ever and have no business to.
func (s *soak) strays(living []string) []string {
	s.t.Helper()
	stay := []string{s.in.Stream, s.out.StreamOf(platform), s.rig.dead.Stream}
	expire := []string{s.in.Autoclaim.AuditKey + ":" + s.in.Stream + ":" + s.in.Group, s.in.Autoclaim.AuditKey + ":" + s.in.Stream + ":" + s.in.Group + ":previous"}
	for _, name := range living {
		expire = append(expire, "sg:commit:"+s.in.Stream+":"+s.in.Group+":"+name)
	}
	strays := []string{}
	for _, key := range s.redis.Keys(s.ctx, "*").Val() {
		switch {
		case slices.Contains(stay, key) || strings.HasPrefix(key, s.state.PrefixOf(s.in.Processor)):
		case !slices.Contains(expire, key) && !strings.HasPrefix(key, s.in.Trace.Prefix):
			strays = append(strays, key)
		case s.redis.TTL(s.ctx, key).Val() < 0:
			strays = append(strays, key+" never expires")
		}
	}
	return strays
}

// requireEachEffectOnce compares the answers, the dead letters and the state with what was sent.
func (s *soak) requireEachEffectOnce() {
	s.t.Helper()
	want, poison := map[string][]string{}, []string{}
	for c, sent := range s.sent {
		channel := fmt.Sprint("c", c)
		for n := range sent {
			if poisoned(c, n) {
				poison = append(poison, fmt.Sprintf("%s/%d", channel, n))
			} else {
				want[channel] = append(want[channel], fmt.Sprint(n))
			}
		}
		require.Equal(s.t, fmt.Sprint(len(want[channel])), s.redis.Get(s.ctx, s.state.PrefixOf(s.in.Processor)+channel).Val(), "the state of %s", channel)
	}
	require.Equal(s.t, want, perChannel(s.replies()), "the answers of each channel, in order")
	var buried []string
	for _, letter := range s.entries(s.rig.dead.Stream) {
		require.Equal(s.t, "poison", letter["error"])
		buried = append(buried, letter["trace_id"].(string))
	}
	require.ElementsMatch(s.t, poison, buried)
}
