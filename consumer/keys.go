package consumer

// What begins the names of the keys that a worker keeps for its stream, beside those that the configuration names.
const (
	schedulePrefix   = "sg:schedule:"
	orderPrefix      = "sg:order:"
	lanesPrefix      = "sg:lanes:"
	ledgerPrefix     = "sg:commit:"
	deliveredPrefix  = "sg:delivered:"
	deliveringPrefix = "sg:delivering:"
)

// OwnKeys returns patterns, as Redis's SCAN takes them, of the keys that workers keep on a single server for streams whose names
// begin so. The keys that the configuration names, and the state of plugins, are not among them.
func OwnKeys(streams string) []string {
	patterns := []string{schedulePrefix, orderPrefix, lanesPrefix, ledgerPrefix, deliveredPrefix, deliveringPrefix}
	for i := range patterns {
		patterns[i] += streams + "*"
	}
	return patterns
}

// ownKey is a key that the group's workers share.
func (w *Worker) ownKey(prefix string) string { return prefix + w.own + ":" + w.cfg.Group }

// scheduleKey is a sorted set of parked entries by the moment at which they are due, in ms of Redis's clock. What is
// on it is handed out then: failed tries after their delay; at once what a stopping worker gave back, and what has
// waited for an earlier message of its channel. It outlives every worker.
func (w *Worker) scheduleKey() string { return w.ownKey(schedulePrefix) }

// orderKey is a sorted set of what is pending of channels of which there is more than one message; order.lua says how.
func (w *Worker) orderKey() string { return w.ownKey(orderPrefix) }

// lanesKey is a hash of the channels of which something is pending, where their order is kept.
func (w *Worker) lanesKey() string { return w.ownKey(lanesPrefix) }

// deliveredKey is a sorted set of the message_keys that were delivered, by the moment.
func (w *Worker) deliveredKey() string { return w.ownKey(deliveredPrefix) }

// deliveringKey is a hash of the message_keys whose delivery was begun, as deliver.lua has it.
func (w *Worker) deliveringKey() string { return w.ownKey(deliveringPrefix) }

// ledgerKey is a hash that remembers this consumer's last commits.
func (w *Worker) ledgerKey() string { return w.ledgersBegin() + w.cfg.Consumer }

// ledgersBegin begins the names of the ledgers of all consumers of this worker's group.
func (w *Worker) ledgersBegin() string { return w.ownKey(ledgerPrefix) + ":" }

// auditKey is a hash of what was taken over from other consumers.
func (w *Worker) auditKey() string { return w.ownKey(w.cfg.Autoclaim.AuditKey + ":") }
