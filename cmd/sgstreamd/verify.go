package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/internal/verify"
)

// redisOwn is the --redis that lets verify and bench start one.
const redisOwn = "own"

// verifyFlags are the flags of verify beside those of the configuration.
type verifyFlags struct {
	redis, faults, order string
	duration             time.Duration
	workers, rate        int
	seed                 uint64
	json                 bool
}

func newVerify() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Prove the promises: load, crashes and cut connections, and an account of every message",
		Long: `Prove on a real Redis that no message is lost, handled twice, or handled out of its channel's order, whatever
happens to the workers. It starts workers as processes of their own, sends them messages (slow ones, failing ones, some
that can never succeed), does to them what goes wrong in life, and then compares what came of every message with what
should have.

It works on the Redis of the configuration, under keys of its own (sg:verify:…, and what the daemon keeps for
its stream and its plugin: sg:*:sg:verify:… and sg:state:verify-…), which it removes at the end, also after Ctrl-C. It loads that Redis
as much as it can take: think twice before you run it beside a live fleet. With --redis own, and where redis.url is
"embedded", it starts the redis-server of the PATH, with a replica, and does to it what can't be done to yours.

The faults:
` + faultList() + `
When the group is destroyed, what it had delivered is delivered again as far as it is in the stream still, so such a
message may be answered once more, under the same message_key. The report counts these as "answered again". In a failover
Redis hands over only once the replica has everything; what a replica loses that was behind can't be promised by anybody.

Exit codes: 0 every promise was kept; 1 one was broken (the history of the first is printed), or it did not work;
2 the arguments or the configuration are wrong.`,
		Example: `  sgstreamd verify --redis own
  sgstreamd verify --redis-url redis://localhost:6379/0 --duration 120s --workers 4
  sgstreamd verify --redis own --faults kill,stall --seed 7 --json | jq .violations`,
		Args: cobra.NoArgs,
	}
	config := addConfigFlags(c)
	var f verifyFlags
	flags := c.Flags()
	flags.StringVar(&f.redis, "redis", "", "`where` to work: \"own\", or a URL, which is the same as --redis-url (default: redis.url)")
	flags.DurationVar(&f.duration, "duration", time.Minute, "how long there is load and faults")
	flags.IntVar(&f.workers, "workers", 4, "`number` of workers")
	flags.Uint64Var(&f.seed, "seed", 0, "`number` that decides faults and messages; the same seed, the same plan (default: a random one)")
	flags.StringVar(&f.faults, "faults", "all", "`names` of the faults, separated by commas; or all, or none")
	flags.StringVar(&f.order, "order", "", "the workers' inbound.order: none, addressed or `channel` (default: the daemon's)")
	flags.IntVar(&f.rate, "rate", verify.DefaultRate, "`number` of messages sent a second, at most; fewer where the workers can't keep up")
	flags.BoolVar(&f.json, "json", false, "print the report as a JSON object")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadFor(cmd, config, f.redis)
		if err != nil {
			return err
		}
		o, err := f.options(cmd, cfg.Redis)
		if err != nil {
			return err
		}
		return f.run(cmd, o)
	}
	return c
}

func faultList() string {
	var b strings.Builder
	for _, f := range verify.Faults() {
		own := ""
		if f.Own {
			own = " (own Redis only)"
		}
		fmt.Fprintf(&b, "  %-12s %s%s\n", f.Name, f.What, own)
	}
	return b.String()
}

// options checks the flags.
func (f *verifyFlags) options(cmd *cobra.Command, redis consumer.RedisConfig) (verify.Options, error) {
	wrong := func(flag, format string, args ...any) (verify.Options, error) {
		return verify.Options{}, usageError{fmt.Errorf("flag --"+flag+": "+format, args...)}
	}
	switch {
	case f.duration < verify.MinDuration || f.duration > verify.MaxDuration:
		return wrong("duration", "is %v; write %v to %v", f.duration, verify.MinDuration, verify.MaxDuration)
	case f.workers < 1 || f.workers > verify.MaxWorkers:
		return wrong("workers", "is %d; write 1 to %d", f.workers, verify.MaxWorkers)
	case f.rate < 1 || f.rate > verify.MaxRate:
		return wrong("rate", "is %d; write 1 to %d", f.rate, verify.MaxRate)
	case f.order != "" && !slices.Contains(verify.Orders(), f.order):
		return wrong("order", "is %q; write %s", f.order, strings.Join(verify.Orders(), ", "))
	}
	own := f.redis == redisOwn || redis.URL == consumer.Embedded
	faults, err := verify.ParseFaults(f.faults, own)
	if err != nil {
		return wrong("faults", "%w", err)
	}
	binary, err := os.Executable()
	if err != nil {
		return verify.Options{}, fmt.Errorf("the workers' program: %w", err)
	}
	if !cmd.Flags().Changed("seed") {
		f.seed = uint64(rand.Uint32())
	}
	return verify.Options{
		Redis: redis, Own: own, Binary: binary, Duration: f.duration, Workers: f.workers, Seed: f.seed,
		Faults: faults, Order: f.order, Rate: f.rate,
	}, nil
}

func (f *verifyFlags) run(cmd *cobra.Command, o verify.Options) error {
	line := newStatusLine(cmd.ErrOrStderr())
	o.Progress = func(p verify.Progress) { line.show(progressText(o, p)) }
	ctx, _, release := untilSignalled(cmd.Context(), syscall.SIGHUP)
	defer release()
	defer surviveClosedPipes()()
	report, err := verify.Run(ctx, o)
	line.clear()
	if err == verify.ErrInterrupted { // and nothing else with it
		return errors.New("interrupted; nothing is left in Redis")
	}
	if err != nil {
		return err
	}
	if err := f.print(cmd.OutOrStdout(), &report); err != nil {
		return err
	}
	if n := report.Broken(); n > 0 {
		return fmt.Errorf("%d violations", n)
	}
	return nil
}

func (f *verifyFlags) print(w io.Writer, r *verify.Report) error {
	if !f.json {
		return r.Print(w)
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(r)
}

// progressText is one line that says how far the run is.
func progressText(o verify.Options, p verify.Progress) string {
	var faults []string
	for _, f := range verify.Faults() {
		if n := p.Faults[f.Name]; n > 0 {
			faults = append(faults, fmt.Sprintf("%s %d", f.Name, n))
		}
	}
	length := ""
	if p.Doing == verify.Running {
		length = fmt.Sprintf(" of %v", o.Duration)
	}
	return fmt.Sprintf("%s for %v%s: sent %d, outstanding %d; faults: %s",
		p.Doing, p.Elapsed.Round(time.Second), length, p.Sent, p.Sent-p.Settled, strings.Join(faults, ", "))
}
