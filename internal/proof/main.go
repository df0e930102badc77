// Command proof measures the figures that docs/performance.md promises, and prints a line for each: whether it holds, what
// was measured, and its bound. It exits with 1 if one is missed. make proof runs it:
//
//	proof [-v] [-messages N] [-only calls,start,idle,memory] build/sgstreamd build/plugins build/proof/ask.wasm
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sgstreamd/sgstreamd/internal/loadtest"
)

// leastMessages are so many that each tenth of them takes long enough to be looked at.
const leastMessages = 100_000

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	o := loadtest.DefaultProofs()
	only := flag.String("only", strings.Join(loadtest.Proofs(), ","), "`names` of what is measured, separated by commas")
	flag.IntVar(&o.Messages, "messages", o.Messages, "`number` of messages over which memory is watched")
	verbose := flag.Bool("v", false, "print how far it is")
	flag.Parse()
	if flag.NArg() != 3 {
		return errors.New("call it as proof BINARY PLUGINS ASK.wasm")
	}
	o.Binary, o.Plugins, o.Asking = flag.Arg(0), flag.Arg(1), flag.Arg(2)
	if *verbose {
		o.Progress = func(line string) { fmt.Fprintln(os.Stderr, line) }
	}
	names := strings.Split(*only, ",")
	for _, name := range names {
		if err := loadtest.RequireProof(name); err != nil {
			return fmt.Errorf("-only: %w", err)
		}
	}
	if o.Messages < leastMessages {
		return fmt.Errorf("-messages: is %d; write %d or more, since memory is looked at in each tenth of them", o.Messages, leastMessages)
	}
	missed := 0
	for _, name := range names {
		fmt.Fprintf(os.Stderr, "proof: measuring %s\n", name)
		claims, err := loadtest.Prove(ctx, o, name)
		if err != nil {
			return err
		}
		for _, c := range claims {
			fmt.Println(c)
			if !c.Holds() {
				missed++
			}
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d figures are missed", missed)
	}
	return nil
}
