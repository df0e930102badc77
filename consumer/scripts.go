package consumer

import (
	"context"
	_ "embed"
	"log/slog"
	"strconv"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/prelude.lua
var prelude string

//go:embed scripts/claim.lua
var claimLua string

//go:embed scripts/deliver.lua
var deliverLua string

//go:embed scripts/state.lua
var stateLua string

//go:embed scripts/commit.lua
var commitLua string

//go:embed scripts/heartbeat.lua
var heartbeatLua string

//go:embed scripts/order.lua
var orderLua string

//go:embed scripts/begin.lua
var beginLua string

//go:embed scripts/reading.lua
var readingLua string

//go:embed scripts/fetch.lua
var fetchLua string

//go:embed scripts/take.lua
var takeLua string

//go:embed scripts/tend.lua
var tendLua string

//go:embed scripts/reclaim.lua
var reclaimLua string

//go:embed scripts/forget.lua
var forgetLua string

//go:embed scripts/rights.lua
var rightsLua string

//go:embed scripts/fence.lua
var fenceLua string

//go:embed scripts/lock.lua
var lockLua string

//go:embed scripts/apply.lua
var applyLua string

//go:embed scripts/append.lua
var appendLua string

//go:embed scripts/mark.lua
var markLua string

// scripts are the Lua scripts of the folder scripts, each behind prelude.lua, and behind order.lua where it keeps the order.
type scripts struct {
	fetch, take, claim, deliver, commit, heartbeat, tend, reclaim, forget, rights *redis.Script

	// For a Cluster without a common hash tag. All but the first are for keys in other slots than the stream's.
	fence, lock, apply, append, mark *redis.Script
}

func newScripts() scripts {
	script := func(text string) *redis.Script { return redis.NewScript(sabotaged(prelude + text)) }
	ordering := func(text string) *redis.Script { return script(orderLua + text) }
	return scripts{
		fetch: ordering(readingLua + fetchLua), take: ordering(readingLua + beginLua + takeLua), claim: script(beginLua + claimLua), deliver: script(deliverLua), commit: ordering(stateLua + commitLua), heartbeat: script(heartbeatLua),
		tend: ordering(tendLua), reclaim: ordering(reclaimLua), forget: script(forgetLua), rights: script(rightsLua),
		fence: ordering(fenceLua), lock: redis.NewScript(lockLua), apply: script(stateLua + applyLua), append: script(appendLua), mark: script(markLua),
	}
}

// runSure runs a script until it has an answer, ctx is done, or the error is a final one. Every script that is run
// this way answers the same when it is run again after its reply was lost.
func runSure(ctx context.Context, c redis.UniversalClient, log *slog.Logger, s *redis.Script, keys []string, args []any, final func(error) bool) ([]any, error) {
	wait := newBackOff()
	for {
		reply, err := s.Run(ctx, c, keys, args...).Slice()
		if err == nil {
			return reply, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if final(err) {
			return nil, err
		}
		next := wait.NextBackOff()
		log.Warn("redis script failed; it will be sent again", "error", err, "in", next)
		pause(ctx, next)
	}
}

// scriptKeys returns the keys that every script gets, and those that only one does. What prelude.lua says of KEYS and
// scriptArgs belong together.
func (w *Worker) scriptKeys(more ...string) *scriptKeys {
	return newScriptKeys(append([]string{w.cfg.Stream, w.scheduleKey(), w.orderKey(), w.lanesKey()}, more...)...)
}

// scriptArgs returns the arguments that every script gets, and those that only one does.
func (w *Worker) scriptArgs(more ...any) []any {
	return append([]any{w.cfg.Group, w.cfg.Consumer, w.cfg.Order, w.cfg.ChannelKey}, more...)
}

// columns are what the scripts that take and that commit get of messages, one thing of all of them after the other. Messages have a
// lock and a trace, or zero values.
type columns struct {
	messages []*delivery
	locks    []heldLock
	traces   []string
}

func newColumns(n int) columns {
	return columns{make([]*delivery, n), make([]heldLock, n), make([]string, n)}
}

// appendColumns adds the locks and the traces to the keys, and appends whether there are any, the ids, and the lanes where an
// order is kept. Text goes as a pointer: one more word for each would have to be allocated otherwise.
func (w *Worker) appendColumns(args []any, keys *scriptKeys, c columns) []any {
	hasLocks := keys.addEach(len(c.locks), func(i int) string { return c.locks[i].key })
	hasTraces := keys.addEach(len(c.traces), func(i int) string { return c.traces[i] })
	args = append(args, hasLocks, hasTraces)
	for _, d := range c.messages {
		args = append(args, &d.entry.Message.ID)
	}
	for _, d := range c.messages {
		if w.cfg.Order != OrderNone {
			args = append(args, &d.lane)
		}
	}
	return args
}

// script arguments: keys are referred to by their position, each once.
type scriptKeys struct {
	keys []string
	at   map[string]int
}

func newScriptKeys(fixed ...string) *scriptKeys {
	return &scriptKeys{keys: fixed, at: map[string]int{}}
}

// add returns the 1-based position of a key which is not likely to be there already, or 0 for none.
func (k *scriptKeys) add(key string) int {
	if key == "" {
		return 0
	}
	k.keys = append(k.keys, key)
	return len(k.keys)
}

// addEach adds a key for each of n messages, the stream's where a message has none, and returns whether any has one. If not, none
// is added.
func (k *scriptKeys) addEach(n int, key func(int) string) bool {
	before, any := len(k.keys), false
	for i := range n {
		own := key(i)
		any = any || own != ""
		k.keys = append(k.keys, orElse(own, k.keys[0]))
	}
	if !any {
		k.keys = k.keys[:before]
	}
	return any
}

// pos returns the 1-based position of a key, or 0 for none.
func (k *scriptKeys) pos(key string) int {
	if key == "" {
		return 0
	}
	if _, ok := k.at[key]; !ok {
		k.keys = append(k.keys, key)
		k.at[key] = len(k.keys)
	}
	return k.at[key]
}

// exceptions are the answers for n messages, where a script's reply has a number and an answer for each to which it does not
// give the usual one.
func exceptions(reply []any, n int, usual string) []string {
	answers := make([]string, n)
	for i := range answers {
		answers[i] = usual
	}
	for i := 0; i+1 < len(reply); i += 2 {
		if at := number(reply[i]); at >= 1 && at <= int64(n) {
			answers[at-1] = text(reply[i+1])
		}
	}
	return answers
}

// The parts of a script's reply, read without trust in their type: Redis sends numbers as integers or text.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}

func number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	}
	return 0
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}
