package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/internal/bench"
)

func newPluginBench() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench F.wasm",
		Short: "Measure a module's calls",
		Long: `Measure a module's calls in a real host: how many a second, how long half of them and all but a hundredth take, and the
memory of an instance, for each number of calls at the same time. There is no Redis in it, its state is empty, and its
requests are answered with 200 and {} at once.

The message is one of about 600 bytes, as a gateway writes it, unless --payload names a file of JSON.`,
		Example: "  sgstreamd plugin bench my-bot.wasm\n  sgstreamd plugin bench my-bot.wasm --concurrency 1,8 --duration 10s --json",
		Args:    cobra.ExactArgs(1),
	}
	var payloadFile, configFile string
	var asJSON bool
	o := bench.Options{}
	c.Flags().StringVar(&payloadFile, "payload", "", "`file` of JSON with the message's payload")
	c.Flags().StringVar(&configFile, "config", "", "`file` of JSON with the plugin's configuration")
	c.Flags().DurationVar(&o.Duration, "duration", 2*time.Second, "how long each is measured")
	c.Flags().IntSliceVar(&o.Concurrency, "concurrency", []int{1, 2, 4}, "`numbers` of calls at the same time")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, an object a line")
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if o.Duration <= 0 || slices.Min(append(o.Concurrency, 1<<20)) < 1 {
			return usageError{errors.New("--duration and --concurrency must be more than 0")}
		}
		if o.Payload = bench.Payload600(); payloadFile != "" {
			if o.Payload, err = os.ReadFile(payloadFile); err != nil {
				return usageError{err}
			}
		}
		if o.Config, err = readPluginConfig(configFile); err != nil {
			return err
		}
		ctx, _, release := untilSignalled(cmd.Context())
		defer release()
		t := newTable(cmd.OutOrStdout())
		head := "AT ONCE\tCALLS/S\tP50\tP99\tMEMORY\tOUTCOMES\n"
		encoder := json.NewEncoder(cmd.OutOrStdout())
		err = withModule(ctx, "", args[0], func(module, scratch string) error {
			o.Module, o.CacheDir, o.Secret = module, toolCache(scratch), filepath.Join(scratch, "secret")
			if err := os.WriteFile(o.Secret, []byte("not-a-real-secret"), 0o600); err != nil {
				return err
			}
			return bench.Run(ctx, o, func(r bench.Result) {
				if asJSON {
					_ = encoder.Encode(r) // it has no reader any more
					return
				}
				fmt.Fprint(t, head)
				head = ""
				fmt.Fprintf(t, "%d\t%.0f\t%v\t%v\t%d KiB\t%s\n", r.Concurrency, r.PerSecond, r.P50, r.P99, r.Memory>>10, outcomes(r.Statuses))
			})
		})
		return cmp.Or(err, t.Flush())
	}
	return c
}

// outcomes are numbers of calls by status, the most frequent first.
func outcomes(statuses map[string]int) string {
	var parts []string
	for _, s := range slices.SortedFunc(maps.Keys(statuses), func(a, b string) int {
		return cmp.Or(cmp.Compare(statuses[b], statuses[a]), cmp.Compare(a, b))
	}) {
		parts = append(parts, fmt.Sprintf("%s %d", s, statuses[s]))
	}
	return strings.Join(parts, ", ")
}
