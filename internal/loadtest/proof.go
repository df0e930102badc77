package loadtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Claim is a figure that the daemon is held to.
type Claim struct {
	// What is measured, in one line.
	What string `json:"what"`
	// Measured is the figure, and Bound what it is held to: the least that it may be, or the most.
	Measured float64 `json:"measured"`
	Bound    float64 `json:"bound"`
	AtLeast  bool    `json:"at_least"`
	// Unit is of both, and empty for a ratio.
	Unit string `json:"unit"`
}

// Holds tells whether the figure keeps to its bound.
func (c Claim) Holds() bool {
	if c.AtLeast {
		return c.Measured >= c.Bound
	}
	return c.Measured <= c.Bound
}

// String is the claim in one line: what, measured, the bound, and whether it holds.
func (c Claim) String() string {
	verdict, side := "holds", "at most"
	if c.AtLeast {
		side = "at least"
	}
	if !c.Holds() {
		verdict = "MISSED"
	}
	figure := func(n float64) string { return fmt.Sprintf("%.4g%s", n, c.Unit) }
	return fmt.Sprintf("%-6s  %-82s  %-9s  %s %s", verdict, c.What, figure(c.Measured), side, figure(c.Bound))
}

// ProofOptions are what the proofs are told.
type ProofOptions struct {
	// Binary is the daemon's file, Plugins the folder of the built examples, and Asking the built plugins/testdata/ask.
	Binary, Plugins, Asking string
	// CacheDir is as in Options.
	CacheDir string
	// Calls are made at once, each of which waits for its server for so long, until so many messages are answered.
	Calls        int
	Wait         time.Duration
	CallMessages int
	// Idle is for how long a daemon has no message before it is measured, and while it is.
	Idle time.Duration
	// Starts is how often a daemon is started.
	Starts int
	// Messages go through the daemon whose memory is watched.
	Messages int
	// Progress is as in Options.
	Progress func(string)
}

// DefaultProofs are the options of what docs/performance.md says.
func DefaultProofs() ProofOptions {
	return ProofOptions{Calls: 1000, Wait: 2 * time.Second, CallMessages: 10_000, Idle: time.Minute, Starts: 15, Messages: 10_000_000}
}

// Proofs are the names of what Prove can measure, in the order in which that is done.
func Proofs() []string { return []string{ProofCalls, ProofStart, ProofIdle, ProofMemory} }

// What Prove measures.
const (
	ProofCalls  = "calls"  // many calls that wait at once
	ProofStart  = "start"  // the time until the daemon is ready
	ProofIdle   = "idle"   // a daemon that has nothing to do
	ProofMemory = "memory" // that none is lost as messages go by
)

// RequireProof fails where a name is none of Proofs.
func RequireProof(name string) error {
	if !slices.Contains(Proofs(), name) {
		return fmt.Errorf("there is no proof %q; write some of %s", name, strings.Join(Proofs(), ","))
	}
	return nil
}

// Prove measures one of Proofs, on a Redis of its own.
func Prove(ctx context.Context, o ProofOptions, name string) ([]Claim, error) {
	if err := RequireProof(name); err != nil {
		return nil, err
	}
	prove := map[string]func(*proof, context.Context) ([]Claim, error){
		ProofCalls: (*proof).calls, ProofStart: (*proof).start, ProofIdle: (*proof).idle, ProofMemory: (*proof).memory,
	}[name]
	claims, err := prove(&proof{ProofOptions: o}, ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return claims, nil
}

// proof is one of them under way.
type proof struct{ ProofOptions }

// within makes a run with the plugin in the file.
func (p *proof) within(ctx context.Context, file string, messages int, do func(*run) error) error {
	module, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return within(ctx, Options{
		Own: true, Binary: p.Binary, Module: module, CacheDir: p.CacheDir, Messages: messages, Size: 600, Channels: 10_000, Repeat: 1, Progress: p.Progress,
	}, func(r *run) error {
		r.turn = 1
		return do(r)
	})
}

func (p *proof) example(name string) string { return filepath.Join(p.Plugins, name+".wasm") }
