package consumer

import "context"

// onceKey is the key by which the delivery of a message is remembered: its message_key. It is empty where none is.
func (w *Worker) onceKey(d *delivery) string {
	if !w.cfg.Once.Enabled {
		return ""
	}
	return d.entry.MessageKey
}

// rememberedMS is how long a delivery is remembered, in ms; 0 where none is.
func (w *Worker) rememberedMS() int64 {
	if !w.cfg.Once.Enabled {
		return 0
	}
	return w.cfg.Once.TTL.Milliseconds()
}

// told is what is known of a reply's delivery after a try.
type told string

const (
	toldNothing     told = ""
	toldDelivered   told = "delivered"
	toldUndelivered told = "undelivered"
	toldDoubtful    told = "doubtful" // delivered, and put back all the same
)

// askDeliveries claims messages that are to be delivered once.
func (w *Worker) askDeliveries(ctx context.Context, batch []*delivery) []string {
	args := w.scriptArgs(w.cfg.Once.TTL.Milliseconds())
	for _, d := range batch {
		args = append(args, d.entry.Message.ID, d.entry.Message.Attempt, w.onceKey(d), lockPauseMS())
	}
	return w.answers(ctx, w.scripts.deliver, w.scriptKeys(w.deliveredKey(), w.deliveringKey()).keys, args)
}
