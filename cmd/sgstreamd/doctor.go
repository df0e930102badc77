package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/internal/app"
)

func newDoctor() *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Tell what about this Redis would break a promise",
		Long: `Tell what about this Redis, or about how the configuration uses it, would break a promise: eviction, persistence,
replication, bugs of its version, missing rights, keys in different Cluster slots, streams that are about to be trimmed
of what nobody has read, what dead workers left. One line each, with the remedy, the worst first. Nothing is written,
and no daemon need run; a daemon logs the same at its start.

A danger loses messages, or keeps the daemon from working. A warning does when something else happens, such as a crash
of Redis. A notice is worth knowing. What the Redis user may not look at is a notice, too.

Exit codes: 0 nothing worse than notices; 1 warnings or dangers, or Redis can't be reached; 2 the arguments or the
configuration are wrong.`,
		Example: `  sgstreamd doctor --config /etc/sgstreamd/config.toml
  sgstreamd doctor --redis-url redis://admin:secret@redis.internal:6379/0 --json | jq -r 'select(.severity == "danger") | .remedy'`,
		Args: cobra.NoArgs,
	}
	flags := addConfigFlags(c)
	var asJSON bool
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, an object a line")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		findings, err := examine(cmd, flags)
		if err != nil {
			return err
		}
		if err := printFindings(cmd.OutOrStdout(), findings, asJSON); err != nil {
			return err
		}
		return verdict(findings)
	}
	return c
}

func examine(cmd *cobra.Command, flags *configFlags) ([]consumer.Finding, error) {
	cfg, err := flags.load(cmd)
	if err != nil {
		return nil, err
	}
	client, err := dial(cfg.Redis)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, _, release := untilSignalled(cmd.Context())
	defer release()
	if err := consumer.Ping(ctx, client); err != nil {
		if cfg.Redis.URL == consumer.Embedded {
			err = fmt.Errorf(`%w; redis.url is "embedded": no daemon runs here, or --config is missing`, err)
		}
		return nil, err
	}
	return app.Examine(ctx, client, cfg)
}

// printFindings prints a line for each. Key and consumer names are others' words.
func printFindings(w io.Writer, findings []consumer.Finding, asJSON bool) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for _, f := range findings {
		if asJSON {
			if err := out.Encode(f); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(w, "%-7s  %s\n", f.Severity, clean(f.String())); err != nil {
			return err
		}
	}
	if len(findings) == 0 && !asJSON {
		_, err := fmt.Fprintln(w, "nothing found that would break a promise")
		return err
	}
	return nil
}

// verdict is an error where something worse than notices was found.
func verdict(findings []consumer.Finding) error {
	count := map[consumer.Severity]int{}
	for _, f := range findings {
		count[f.Severity]++
	}
	var parts []string
	for _, s := range []consumer.Severity{consumer.Danger, consumer.Warning} {
		if count[s] > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", s, count[s]))
		}
	}
	if len(parts) > 0 {
		return errors.New(strings.Join(parts, ", "))
	}
	return nil
}
