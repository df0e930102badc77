package consumer

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// monitorInterval is how often the stream is measured.
	monitorInterval = 10 * time.Second
	// alarmAt is the part of MaxLen that may be unread before the monitor warns.
	alarmAt = 0.8
)

// monitor measures the stream until ctx is done, from the moment at which its group is there.
func (w *Worker) monitor(ctx context.Context) {
	t := time.NewTicker(monitorInterval)
	defer t.Stop()
	begun := w.reading
	for {
		select {
		case <-ctx.Done():
			return
		case <-begun:
			begun = nil // once; from here on the ticker counts
		case <-t.C:
		}
		if err := w.measure(ctx); err != nil && ctx.Err() == nil {
			w.log.Debug("the stream could not be measured", "error", err)
		}
	}
}

// measure sets the gauges of the stream's lag and pending entries, and warns when so much is unread that
// trimming will soon take what nobody has seen.
func (w *Worker) measure(ctx context.Context) error {
	g, there, err := groupInfo(ctx, w.redis, w.cfg.Stream, w.cfg.Group)
	if err == nil && there {
		w.report(g)
	}
	return err
}

func (w *Worker) report(g redis.XInfoGroup) {
	w.metrics.pending.WithLabelValues(w.cfg.Stream, w.cfg.Group).Set(float64(g.Pending))
	w.metrics.lag.WithLabelValues(w.cfg.Stream, w.cfg.Group).Set(float64(g.Lag))
	if unread := float64(g.Lag + g.Pending); w.cfg.MaxLen > 0 && unread >= alarmAt*float64(w.cfg.MaxLen) {
		w.log.Error("the stream is about to be trimmed of what nobody has handled; add workers, or raise its MAXLEN",
			"lag", g.Lag, "pending", g.Pending, "max_len", w.cfg.MaxLen)
	}
}
