package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/envelope"
	"github.com/sgstreamd/sgstreamd/internal/config"
)

// sendTimeout bounds the conversation with Redis of one send.
const sendTimeout = 10 * time.Second

// message is what the flags of send make a payload of.
type message struct {
	platform, channel, user, content, trace string
	direct                                  bool
}

func newSend() *cobra.Command {
	c := &cobra.Command{
		Use:   "send",
		Short: "Put a message on a stream",
		Long: `Put a message on a stream, the inbound one by default, and print the entry's id.

The payload is made from the flags, as a gateway of the fleet would, or is a JSON document from standard
input (--json), in the form in which plugins see it: {"$binary": base64} is binary.`,
		Example: `  sgstreamd send --content "hello" --platform discord --channel 42
  echo '{"platform":"discord","channel_id":"42","type":"message","text":"hi"}' | sgstreamd send --json --stream sg:stream:outbound:discord`,
		Args: cobra.NoArgs,
	}
	flags := addConfigFlags(c)
	var m message
	var stream string
	var fromJSON bool
	f := c.Flags()
	f.StringVar(&stream, "stream", "", "`key` of the stream (default: inbound.stream)")
	f.BoolVar(&fromJSON, "json", false, "read the payload from standard input")
	f.StringVar(&m.content, "content", "", "`text` of the message")
	f.StringVar(&m.platform, "platform", "console", "`name` of the platform that it comes from")
	f.StringVar(&m.channel, "channel", "1", "`id` of the channel")
	f.StringVar(&m.user, "user", "1", "`id` of the user")
	f.BoolVar(&m.direct, "dm", true, "a direct message")
	f.StringVar(&m.trace, "trace-id", "", "trace `id` (default: a new one)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := flags.load(cmd)
		if err != nil {
			return err
		}
		// A document names its own trace, if any.
		if m.trace == "" && !fromJSON {
			m.trace = rand.Text()
		}
		payload, err := m.payload(cmd, fromJSON)
		if err != nil {
			return err
		}
		if stream == "" {
			stream = cfg.Inbound.Stream
		}
		id, err := send(cmd.Context(), cfg, stream, payload, m.trace)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), id)
		return err
	}
	return c
}

// payload reads standard input, or makes an inbound payload from the flags.
func (m message) payload(cmd *cobra.Command, fromJSON bool) ([]byte, error) {
	if fromJSON {
		if cmd.Flags().Changed("content") {
			return nil, usageError{errors.New("--json and --content exclude each other")}
		}
		doc, err := io.ReadAll(cmd.InOrStdin())
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		payload, err := envelope.FromJSON(doc)
		if err != nil {
			return nil, usageError{fmt.Errorf("standard input: %w", err)}
		}
		return payload, nil
	}
	if m.content == "" {
		return nil, usageError{errors.New("nothing to send; write --content TEXT, or --json with a document on standard input")}
	}
	return inboundPayload(m)
}

func send(ctx context.Context, cfg config.Config, stream string, payload []byte, trace string) (string, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	client, err := dial(cfg.Redis)
	if err != nil {
		return "", err
	}
	defer client.Close()
	return consumer.Send(ctx, client, stream, cfg.Outbound.MaxLen, payload, trace)
}
