// Package bench measures a plugin's calls in a real host, without a Redis.
package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/envelope"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/granted"
)

// Options say what is measured.
type Options struct {
	// Module is the module's file.
	Module string
	// CacheDir is the folder of the compile cache.
	CacheDir string
	// Payload is the message's, a JSON object; nil is Payload600.
	Payload []byte
	// Config is the plugin's configuration.
	Config map[string]any
	// Secret is a file with what stands for every secret that the module asks for.
	Secret string
	// Duration is how long each concurrency is measured, after a tenth of that to warm up.
	Duration time.Duration
	// Concurrency are the numbers of calls at the same time, and so of instances, each measured on its own.
	Concurrency []int
}

// Result is what was measured of one concurrency.
type Result struct {
	// Concurrency is the number of calls at the same time.
	Concurrency int `json:"concurrency"`
	// Calls is how many there were, and PerSecond how many in a second.
	Calls     int     `json:"calls"`
	PerSecond float64 `json:"per_second"`
	// P50 and P99 are the times that half of the calls, and all but a hundredth of them, were faster than.
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
	// Memory is the largest linear memory of an instance at the end, in bytes.
	Memory uint64 `json:"memory"`
	// Statuses are how many calls had which status.
	Statuses map[string]int `json:"statuses"`
}

// Payload600 is a message as a gateway writes it, of about 600 bytes.
func Payload600() []byte {
	doc, err := json.Marshal(map[string]any{
		"channel_key": "irc:7", "platform": "irc", "channel_id": "7", "user_id": "1", "username": "user", "display_name": nil,
		"content": strings.Repeat("hello ", 30), "text": "hello", "type": "message", "message_id": "m1", "timestamp": 1700000000.5,
		"attachments": []any{}, "reply_to": nil, "embeds": nil, "room_name": nil, "is_dm": true, "guild_id": nil, "member_roles": []any{},
		"trace_id": "T", "enqueued_at": 1700000000.5, "is_addressed": true, "strangler_route": "", "user_aliases": []any{},
		"unified_user_id": nil, "reactions": "",
	})
	if err != nil {
		panic(err) // a table of our own
	}
	return doc
}

// Run measures each concurrency in turn, and calls report with what it found. Every status of the plugin's counts; an
// error of a call ends it. Requests of the plugin are answered with 200 and an empty object at once.
func Run(ctx context.Context, o Options, report func(Result)) error {
	payload, err := envelope.FromJSON(o.Payload)
	if err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	in, err := host.Inspect(ctx, o.Module)
	if err != nil {
		return err
	}
	for _, n := range o.Concurrency {
		r, err := measure(ctx, o, in, payload, n)
		if err != nil {
			return err
		}
		report(r)
	}
	return nil
}

func measure(ctx context.Context, o Options, in host.Inspection, payload []byte, n int) (r Result, err error) {
	h, err := host.New(ctx, host.Options{
		CacheDir: o.CacheDir, Codecs: envelope.Codecs(), State: noState{}, Log: slog.New(slog.DiscardHandler), Transport: always{},
	})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, h.Close(context.WithoutCancel(ctx))) }()
	cfg := granted.To(in, o.Config)
	cfg.MaxInstances = n
	granted.Secrets(&cfg, in, o.Secret)
	p, err := h.Load(ctx, in.Name, o.Module, cfg, n)
	if err != nil {
		return r, err
	}
	if err := p.Start(ctx); err != nil {
		return r, err
	}
	if _, err := run(ctx, p, payload, n, o.Duration/10); err != nil {
		return r, err
	}
	runtime.GC()
	begun := time.Now()
	all, err := run(ctx, p, payload, n, o.Duration)
	if err != nil {
		return r, err
	}
	took := time.Since(begun)
	r = Result{Concurrency: n, Statuses: map[string]int{}, Memory: slices.Max(p.Memories())}
	var times []time.Duration
	for _, w := range all {
		times = append(times, w.times...)
		for status, count := range w.statuses {
			r.Statuses[status.String()] += count
		}
	}
	slices.Sort(times)
	r.Calls, r.PerSecond = len(times), float64(len(times))/took.Seconds()
	if len(times) > 0 {
		r.P50, r.P99 = times[len(times)/2], times[len(times)*99/100]
	}
	return r, nil
}

// worked is what one worker has seen.
type worked struct {
	times    []time.Duration
	statuses map[abi.Status]int
}

// run has n workers call the plugin for as long as that.
func run(ctx context.Context, p *host.Plugin, payload []byte, n int, long time.Duration) ([]worked, error) {
	all := make([]worked, n)
	end := time.Now().Add(long)
	g, ctx := errgroup.WithContext(ctx)
	for i := range all {
		g.Go(func() error {
			w := worked{statuses: map[abi.Status]int{}}
			m := abi.Message{
				Stream: "sg:stream:inbound", ID: "1700000000000-0", Attempt: 1, TS: 1700000000.5, TraceID: "T", Platform: "irc", ChannelKey: "irc:7",
				Payload: payload,
			}
			for begun := time.Now(); begun.Before(end); {
				v, err := p.Handle(ctx, nil, &m)
				if err != nil {
					return err
				}
				now := time.Now()
				w.times = append(w.times, now.Sub(begun))
				w.statuses[v.Status]++
				begun = now
			}
			all[i] = w
			return nil
		})
	}
	return all, g.Wait()
}
