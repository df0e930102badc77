package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/envelope"
	"github.com/sgstreamd/sgstreamd/internal/config"
)

const (
	// settledPoll is how often dev looks whether everything was answered.
	settledPoll = 10 * time.Millisecond
	// maxUnanswered is after how many lines dev waits for the answers. The embedded server takes longer for
	// each command the more it holds, and its streams, as any, lose what is too much for them.
	maxUnanswered = 128
)

// conversation is dev's part of the loop: it sends lines, and cleans up behind those that are answered.
type conversation struct {
	client consumer.Client
	cfg    config.Config
	traces []string // the trace ids of what was sent since the last cleaning

	// Where there is no console adapter, the conversation prints the replies itself.
	out     io.Writer
	mu      sync.Mutex
	printed string // the id of the last one
}

// printsReplies tells whether the conversation prints the replies itself.
func (c *conversation) printsReplies() bool {
	return c.cfg.Inbound.Enabled && !slices.Contains(c.cfg.Outbound.Platforms, devPlatform)
}

// converse sends each line of the input and then waits until all has been answered.
func converse(ctx context.Context, cmd *cobra.Command, cfg config.Config) error {
	client, err := consumer.Dial(cfg.Redis, 0)
	if err != nil {
		return err
	}
	defer client.Close()
	if isTerminal(cmd.InOrStdin()) {
		fmt.Fprintln(cmd.ErrOrStderr(), "sgstreamd dev: type a message; Ctrl-D ends")
	}
	c := &conversation{client: client, cfg: cfg, out: cmd.OutOrStdout()}
	if c.printsReplies() {
		printing, stop := context.WithCancel(ctx)
		defer stop()
		go c.printAll(printing)
	}
	err = c.sendAll(ctx, readLines(ctx, cmd.InOrStdin(), int(cfg.Inbound.MaxPayload)))
	_, unsettled := c.awaitAnswers(ctx)
	if err = errors.Join(err, unsettled, c.unanswered(ctx)); ctx.Err() != nil {
		return nil // the daemon ends, and says why
	}
	return err
}

// sendAll sends the lines, never more than maxUnanswered ahead of the answers.
func (c *conversation) sendAll(ctx context.Context, lines <-chan inputLine) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case l := <-lines:
			if errors.Is(l.err, io.EOF) {
				return nil
			}
			if l.err != nil {
				return l.err
			}
			if err := c.send(ctx, l); err != nil {
				return err
			}
		}
		if len(c.traces) == maxUnanswered {
			if err := c.clean(ctx); err != nil {
				return err
			}
		}
	}
}

func (c *conversation) send(ctx context.Context, l inputLine) error {
	if l.text == "" {
		return nil
	}
	trace := rand.Text()
	m := message{platform: devPlatform, channel: "1", user: "1", content: l.text, trace: trace, direct: true}
	stream, make := c.cfg.Inbound.Stream, inboundPayload
	if !c.cfg.Inbound.Enabled {
		m.platform, make = c.cfg.Outbound.Platforms[0], outboundPayload
		stream = c.cfg.Outbound.StreamOf(m.platform)
	}
	payload, err := make(m)
	if err != nil {
		return err
	}
	if most := int(c.cfg.Inbound.MaxPayload); len(payload) > most {
		return fmt.Errorf("standard input, line %d: makes a message of %d bytes, and %d is the most; it and what follows were not sent", l.number, len(payload), most)
	}
	c.traces = append(c.traces, trace)
	_, err = consumer.Send(ctx, c.client, stream, c.cfg.Outbound.MaxLen, payload, trace)
	return err
}

// clean waits for the answers, and then removes what they leave in the embedded server. Entries that were
// added meanwhile, by another command, stay.
func (c *conversation) clean(ctx context.Context) error {
	answered, err := c.awaitAnswers(ctx)
	if err != nil {
		return err
	}
	p := c.client.Pipeline()
	for stream, id := range answered {
		p.XTrimMinID(ctx, stream, id)
	}
	for _, trace := range c.traces {
		p.Del(ctx, c.cfg.Inbound.Trace.Prefix+trace)
	}
	c.traces = c.traces[:0]
	_, err = p.Exec(ctx)
	return err
}

// awaitAnswers waits until both streams are read to their ends and acknowledged. Replies are written in the
// same step in which their message is acknowledged, so in this order none can be missed. It returns the id,
// by stream, up to which all is done for certain.
func (c *conversation) awaitAnswers(ctx context.Context) (map[string]string, error) {
	answered := map[string]string{}
	var parts [][2]string
	if c.cfg.Inbound.Enabled {
		parts = append(parts, [2]string{c.cfg.Inbound.Stream, c.cfg.Inbound.Group})
	}
	for _, p := range c.cfg.Outbound.Platforms {
		parts = append(parts, [2]string{c.cfg.Outbound.StreamOf(p), c.cfg.Outbound.GroupOf(p)})
	}
	for _, s := range parts {
		id, err := c.awaitSettled(ctx, s[0], s[1])
		if err != nil {
			return nil, err
		}
		if id != "" {
			answered[s[0]] = id
		}
	}
	if c.printsReplies() {
		id, err := c.printNew(ctx)
		if err != nil {
			return nil, err
		}
		if id != "" {
			answered[c.cfg.Outbound.StreamOf(devPlatform)] = id
		}
	}
	return answered, nil
}

// printAll prints replies as they come.
func (c *conversation) printAll(ctx context.Context) {
	t := time.NewTicker(settledPoll)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			_, _ = c.printNew(ctx) // what is wrong with Redis shows where answers are awaited
		}
	}
}

// printNew prints the text of each reply that has come since the last one, and returns the id of the last that is printed.
func (c *conversation) printNew(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stream, from := c.cfg.Outbound.StreamOf(devPlatform), "-"
	if c.printed != "" {
		from = "(" + c.printed
	}
	entries, err := c.client.XRange(ctx, stream, from, "+").Result()
	if err != nil {
		return "", fmt.Errorf("stream %q: %w", stream, err)
	}
	for _, e := range entries {
		data, _ := e.Values["data"].(string)
		doc, err := envelope.ToJSON([]byte(data))
		if err != nil {
			return "", fmt.Errorf("stream %q: %w", stream, err)
		}
		var reply struct {
			Text *string `json:"text"`
		}
		if json.Unmarshal(doc, &reply) == nil && reply.Text != nil {
			doc = []byte(*reply.Text)
		}
		fmt.Fprintf(c.out, "%s\n", doc)
		c.printed = e.ID
	}
	return c.printed, nil
}

// awaitSettled returns an entry's id that was the stream's newest before the stream was found settled.
func (c *conversation) awaitSettled(ctx context.Context, stream, group string) (string, error) {
	t := time.NewTicker(settledPoll)
	defer t.Stop()
	for {
		newest, err := c.client.XRevRangeN(ctx, stream, "+", "-", 1).Result()
		if err != nil {
			return "", fmt.Errorf("stream %q: %w", stream, err)
		}
		settled, err := consumer.Settled(ctx, c.client, stream, group)
		switch {
		case err != nil:
			return "", err
		case settled && len(newest) == 0:
			return "", nil
		case settled:
			return newest[0].ID, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-t.C:
		}
	}
}

// unanswered is an error if a message went to the dead letters.
func (c *conversation) unanswered(ctx context.Context) error {
	dead, err := c.client.XLen(ctx, c.cfg.DeadLetters.Stream).Result()
	if err == nil && dead > 0 {
		return fmt.Errorf("%d messages could not be answered; the log above says why", dead)
	}
	return err
}

func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
