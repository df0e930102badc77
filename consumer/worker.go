package consumer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// namePrefix begins the consumer name of every sgstreamd process.
const namePrefix = "sgstreamd-"

// lastWords is how long a worker may still talk to Redis after its drain was cut short, to give back what it
// could not finish.
const lastWords = 2 * time.Second

// Name returns a consumer name that is unique to this process's life: its host, its process id and a random
// part, since both others come again.
func Name() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s%s-%d-%s", namePrefix, host, os.Getpid(), rand.Text()[:8])
}

// WorkerConfig is what one Worker does: one stream, one group, one handler.
type WorkerConfig struct {
	// Role is "processor" or "adapter", and Platform the adapter's platform. They label metrics and logs.
	Role, Platform string
	// Order is what the order of a channel's messages is kept of, and ChannelKey the key under which a payload names its
	// channel.
	Order, ChannelKey string
	// Stream and Group are read under the name Consumer.
	Stream, Group, Consumer string
	// MaxInFlight, MaxAttempts and MaxPayload (bytes) are as in InboundConfig.
	MaxInFlight, MaxAttempts, MaxPayload int
	// WaitReplicas and WaitTimeout are as in RedisConfig.
	WaitReplicas int
	WaitTimeout  time.Duration
	// MaxLen is about how many entries the stream's writers keep; the monitor warns before it is reached.
	MaxLen      int64
	Retry       RetryConfig
	Autoclaim   AutoclaimConfig
	Lock        LockConfig
	Trace       TraceConfig
	DeadLetters DeadLettersConfig
	// Once is how long deliveries are remembered; a processor has none.
	Once OnceConfig
	// Emits tells where emits go.
	Emits OutboundConfig
	// StatePrefix begins the keys of the plugin's state.
	StatePrefix string
}

// Inbound is the configuration of the processor role's worker.
func Inbound(name string, in InboundConfig, out OutboundConfig, dead DeadLettersConfig, state StateConfig) WorkerConfig {
	return WorkerConfig{
		Role: "processor", Order: in.Order, ChannelKey: "channel_key", Stream: in.Stream, Group: in.Group, Consumer: name,
		MaxInFlight: in.MaxInFlight, MaxAttempts: in.MaxAttempts, MaxPayload: int(in.MaxPayload), MaxLen: out.MaxLen,
		Retry: in.Retry, Autoclaim: in.Autoclaim, Lock: in.Lock, Trace: in.Trace, DeadLetters: dead, Emits: out,
		StatePrefix: state.PrefixOf(in.Processor),
	}
}

// Outbound is the configuration of the worker that delivers to one platform. It takes no locks and, since the
// trace belongs to the processing, reports no transitions.
func Outbound(name, platform string, out OutboundConfig, dead DeadLettersConfig, state StateConfig) WorkerConfig {
	return WorkerConfig{
		Role: "adapter", Platform: platform, Order: out.Order, ChannelKey: "channel_id", Stream: out.StreamOf(platform), Group: out.GroupOf(platform), Consumer: name,
		MaxInFlight: out.MaxInFlight, MaxAttempts: out.MaxAttempts, MaxPayload: int(out.MaxPayload), MaxLen: out.MaxLen,
		Retry: out.Retry, Autoclaim: out.Autoclaim, DeadLetters: dead, Once: out.Once, Emits: out,
		StatePrefix: state.PrefixOf(out.AdapterOf(platform)),
	}
}

// Worker reads one stream and sees every message through. See the package's documentation for its parts.
type Worker struct {
	cfg     WorkerConfig
	redis   redis.UniversalClient
	handler Handler
	metrics *Metrics
	log     *slog.Logger
	scripts scripts
	own     string   // the stream's name in the keys that belong to it
	apart   []string // what a Cluster keeps in other slots than the stream

	flight   *flight
	commits  *batcher[commitRequest]
	answered chan answered
	handling sync.WaitGroup // a count for each delivery
	hands    *hands
	again    sync.WaitGroup // a count for each outcome that is committed in the place of a refused one

	mostOrdered int

	// Owned by the intake's goroutine.
	intakeState
	wake    chan struct{} // holds a token when there may be something to do for the intake
	due     atomic.Bool   // the schedule has something to be taken at once
	dueSoon atomic.Int64  // when the first of what this worker has put there is due, in ns since 1970; 0 where nothing is
	watch   chan ask      // sends the lookout out
	arrived chan seen     // the lookout is back

	batches    [commitPipes]uint64 // commits so far, each owned by the goroutine of its pipe
	slotTags   map[int]string      // owned by the goroutine of the first pipe, which is the only one where slots count
	committing redis.UniversalClient

	first   sync.Once
	reading chan struct{}         // closed by first
	problem atomic.Pointer[error] // why the worker is not ready; nil when it is
	cut     atomic.Int64          // messages that the drain's end cut short
}

// NewWorker makes a worker. It does nothing before Run.
func NewWorker(cfg WorkerConfig, client redis.UniversalClient, h Handler, m *Metrics, log *slog.Logger) *Worker {
	w := &Worker{
		cfg: cfg, redis: client, handler: h, metrics: m, scripts: newScripts(),
		flight: newFlight(cfg.MaxInFlight), mostOrdered: mostOrdered, reading: make(chan struct{}),
		wake: make(chan struct{}, 1), watch: make(chan ask, 1), arrived: make(chan seen, 1),
		log: log.With("role", cfg.Role, "stream", cfg.Stream, "group", cfg.Group),
	}
	w.own = ownName(cfg.Stream, isCluster(client))
	if isCluster(client) {
		w.apart = w.otherSlots()
	}
	w.committing = newDurably(client, cfg.WaitReplicas, cfg.WaitTimeout, m.unconfirmed.WithLabelValues(cfg.Role, cfg.Platform).Inc, w.log)
	pipes := commitPipes
	if w.split() {
		pipes = 1
	}
	w.commits = newBatcher(pipes, commitSize, w.flushCommits)
	w.answered = make(chan answered, 4)
	w.hands = newHands(w.process)
	w.setReady(errors.New("not started"))
	return w
}

// Prepare creates the group and its stream, so that nothing which is written from now on is missed. It fails where
// the Redis user lacks a right that the worker will need.
func (w *Worker) Prepare(ctx context.Context) error {
	if err := w.checkOwnKeys(); err != nil {
		return err
	}
	if err := ensureGroup(ctx, w.redis, w.cfg.Stream, w.cfg.Group); err != nil {
		return err
	}
	return w.checkRights(ctx)
}

// checkRights finds out whether the Redis user may do all that the worker is going to do.
func (w *Worker) checkRights(ctx context.Context) error {
	missing, err := w.missingRights(ctx)
	if err != nil {
		return explain(err, w.cfg.Stream)
	}
	if len(missing) > 0 {
		return fmt.Errorf("stream %q: the Redis user may not run %s; grant it", w.cfg.Stream, strings.Join(missing, ", "))
	}
	return nil
}

// missingRights are the commands that the worker is going to need and the Redis user may not run. Redis before 7.0
// can't tell.
func (w *Worker) missingRights(ctx context.Context) ([]string, error) {
	audit := w.auditKey()
	// here is the key, or one of the stream's slot that the user may do the same with.
	here := func(key string) string {
		if w.split() {
			return w.ledgerKey()
		}
		return key
	}
	keys := w.scriptKeys(here(w.cfg.DeadLetters.Stream), w.ledgerKey(), audit, audit+":previous")
	lock, trace := 0, 0
	if w.cfg.Lock.Enabled {
		lock = keys.pos(here(w.cfg.Lock.Prefix + "-"))
	}
	if w.cfg.Trace.Enabled {
		trace = keys.pos(here(w.cfg.Trace.Prefix + "-"))
	}
	delivered, delivering := 0, 0
	if w.cfg.Once.Enabled {
		delivered, delivering = keys.pos(w.deliveredKey()), keys.pos(w.deliveringKey())
	}
	missing, err := w.scripts.rights.Run(ctx, w.redis, keys.keys, w.scriptArgs(lock, trace, keys.pos(here(w.cfg.StatePrefix+"-")), delivered, delivering)...).StringSlice()
	if err == nil && len(missing) == 0 && w.split() {
		err = w.reachOthers(ctx)
	}
	return missing, err
}

// Resize changes the number of messages that the worker may hold, at least 1, from its next fetch on.
func (w *Worker) Resize(maxInFlight int) {
	w.flight.resize(maxInFlight)
	w.nudge()
}

// Ready returns nil while the worker reads its stream, else the reason why it does not.
func (w *Worker) Ready() error {
	if p := w.problem.Load(); p != nil {
		return *p
	}
	return nil
}

// Reading is closed once the worker has begun to read its stream.
func (w *Worker) Reading() <-chan struct{} { return w.reading }

func (w *Worker) setReady(err error) {
	if err == nil {
		w.problem.Store(nil)
		w.first.Do(func() { close(w.reading) })
		return
	}
	w.problem.Store(&err)
}

// Run works until stopping is done, and then sees through what is in flight. When working is done, which is the drain's
// end, calls are cancelled, and what is left is given back for others to take at once.
//
// It returns nil when everything that was begun was also finished.
func (w *Worker) Run(stopping, working context.Context) error {
	// Redis is still needed when working is over, to give back what could not be finished.
	redisCtx, hangUp := context.WithCancelCause(context.WithoutCancel(working))
	defer hangUp(nil)
	unhook := context.AfterFunc(working, func() {
		time.AfterFunc(lastWords, func() { hangUp(errUnreachable) })
	})
	defer unhook()

	var background sync.WaitGroup
	// Commits are taken as long as there are messages, also when Redis can't be reached any more.
	settled := make(chan struct{})
	background.Go(func() {
		defer close(w.answered)
		w.commits.run(redisCtx, settled)
	})
	background.Go(func() { w.settling(redisCtx) })
	background.Go(func() { w.heartbeats(redisCtx) })
	background.Go(func() { w.monitor(redisCtx) })
	background.Go(func() { w.lookout(redisCtx) })

	w.log.Info("worker started", "consumer", w.cfg.Consumer)
	if w.split() {
		w.log.Warn(w.splitProblem(), "remedy", splitRemedy)
	}
	w.intake(contexts{stopping, working, redisCtx})
	w.setReady(errors.New("draining"))
	w.handling.Wait()
	close(settled)
	w.hands.running.Wait()
	w.again.Wait()
	w.leaveGroup(redisCtx)

	hangUp(nil)
	background.Wait()
	if n := w.cut.Load(); n > 0 {
		return fmt.Errorf("stream %q: %d messages were cut short by the drain's end", w.cfg.Stream, n)
	}
	w.log.Info("worker stopped; nothing was left unfinished")
	return nil
}

// leaveGroup removes this consumer's name from the group, unless it still has pending entries, and that of what is parked,
// if nothing is: it comes back when it is needed.
func (w *Worker) leaveGroup(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	for _, name := range []string{w.cfg.Consumer, parkedConsumer} {
		if err := w.forget(ctx, name, 0); err != nil {
			w.log.Warn("a consumer's name stays in the group", "consumer", name, "error", err)
		}
	}
}

// forget removes consumers of the group whose name begins so, that have been idle for so long and have
// nothing pending, and their ledgers.
func (w *Worker) forget(ctx context.Context, prefix string, idle time.Duration) error {
	names, err := w.scripts.forget.Run(ctx, w.redis, w.scriptKeys().keys, w.scriptArgs(prefix, idle.Milliseconds(), w.ledgersBegin())...).StringSlice()
	if err != nil {
		return explain(err, w.cfg.Stream)
	}
	for _, name := range names {
		w.log.Debug("consumer removed from the group", "consumer", name)
	}
	return nil
}
