package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Severity is how bad a Finding is.
type Severity int

// The severities, the least first.
const (
	// Notice is worth knowing, and breaks nothing by itself.
	Notice Severity = iota
	// Warning breaks a promise when something else happens, such as a crash of Redis or a failover.
	Warning
	// Danger loses messages, or keeps the daemon from working.
	Danger
)

// String is the severity in one lower-case word.
func (s Severity) String() string {
	return [...]string{"notice", "warning", "danger"}[s]
}

// MarshalText writes the severity as its word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is something about a Redis, or about how the daemon is configured to use it, that weakens a promise.
type Finding struct {
	Severity Severity `json:"severity"`
	// Subject is what is so: a setting and its value, or a key.
	Subject string `json:"subject"`
	// Problem is what may come of it.
	Problem string `json:"problem"`
	// Remedy is what to do.
	Remedy string `json:"remedy"`
}

// String is the finding in one line, without its severity.
func (f Finding) String() string { return f.Subject + ": " + f.Problem + "; " + f.Remedy }

// Examine looks for what would break a promise to the workers at this Redis, and returns what it found. It
// writes nothing, and the streams need not be there yet. What the Redis user may not look at, or this server does not
// have, is a Notice. An error means that Redis could not be reached, or ctx is done.
func Examine(ctx context.Context, c Client, workers []WorkerConfig) ([]Finding, error) {
	e := &examination{redis: c, servers: map[string]serverFacts{}, unseen: map[string]bool{}}
	if one, ok := c.(*redis.Client); ok {
		if err := e.server(ctx, one); err != nil {
			return nil, err
		}
	}
	for _, cfg := range workers {
		if err := e.worker(ctx, cfg); err != nil {
			return nil, err
		}
	}
	if err := e.deadLetters(ctx, workers); err != nil {
		return nil, err
	}
	return e.findings, nil
}

// examination is one look at a Redis, and what it has found so far.
type examination struct {
	redis    Client
	servers  map[string]serverFacts // by their addresses
	facts    serverFacts            // those of the server at hand
	unseen   map[string]bool        // commands that Redis has refused
	findings []Finding
}

func (e *examination) found(s Severity, subject, problem, remedy string) {
	e.findings = append(e.findings, Finding{Severity: s, Subject: subject, Problem: problem, Remedy: remedy})
}

// foundOnce is found, unless the same was found before: workers share some keys.
func (e *examination) foundOnce(s Severity, subject, problem, remedy string) {
	if !slices.Contains(e.findings, Finding{s, subject, problem, remedy}) {
		e.found(s, subject, problem, remedy)
	}
}

// refused turns Redis's refusal of a command, by which what was to be seen, into a notice; once a command. Any other
// error it returns.
func (e *examination) refused(command, what string, err error) error {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return fmt.Errorf("redis: %s: %w", command, err)
	}
	if e.unseen[command] {
		return nil
	}
	e.unseen[command] = true
	if isNoPerm(err) {
		e.found(Notice, command, "the Redis user may not run it, so "+what+" could not be examined",
			"grant +"+strings.ToLower(strings.ReplaceAll(command, " ", "|"))+", or run the doctor as another user")
		return nil
	}
	if redis.IsClusterDownError(err) {
		e.foundOnce(Danger, "the Cluster is down", "its nodes refuse what concerns keys", "start the nodes that are missing; CLUSTER INFO tells more")
		return nil
	}
	e.found(Notice, command, fmt.Sprintf("Redis answers %q, so %s could not be examined", answer, what), "look at it by hand")
	return nil
}

// worker examines what one worker needs.
func (e *examination) worker(ctx context.Context, cfg WorkerConfig) error {
	// It never runs: it knows its keys, and which rights it needs.
	w := NewWorker(cfg, e.redis, nil, NewMetrics(nil), slog.New(slog.DiscardHandler))
	e.settings(w)
	server, err := serverOf(ctx, e.redis, cfg.Stream)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	if err := e.server(ctx, server); err != nil {
		return err
	}
	// INFO may have been refused.
	if e.facts.clustered() || isCluster(e.redis) {
		if !isCluster(e.redis) {
			e.foundOnce(Danger, "redis.url names one node of a Cluster", "what other nodes serve can't be reached", "write redis+cluster:// in the place of redis://")
		}
		e.slots(w)
	}
	for _, look := range []func(context.Context, *Worker) error{e.rights, e.keys, e.stream} {
		if err := look(ctx, w); err != nil {
			return err
		}
	}
	return nil
}
