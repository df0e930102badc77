package loadtest

import "slices"

// Report is what a run has measured.
type Report struct {
	Machine Machine `json:"machine"`
	// Version is the daemon's.
	Version string `json:"version"`
	// Redis is the server's version, and OwnRedis tells whether the run has started it.
	Redis    string `json:"redis"`
	OwnRedis bool   `json:"own_redis"`
	// Plugin, Codec and Settings are what the daemon ran with. Settings are the keys that matter most, and those that were
	// set.
	Plugin   string            `json:"plugin"`
	Codec    string            `json:"codec"`
	Settings map[string]string `json:"settings"`

	Messages int `json:"messages"`
	Size     int `json:"size"`
	Channels int `json:"channels"`
	Repeat   int `json:"repeat"`

	// Throughput is as fast as possible, and Latency at a fixed rate; nil where that was left out.
	Throughput Comparison  `json:"throughput"`
	Latency    *Comparison `json:"latency,omitempty"`
}

// Comparison holds a daemon against bare loops. Every figure is the median of all turns.
type Comparison struct {
	// Rate is how many messages were sent a second; 0 where there was a backlog of all.
	Rate   int                `json:"rate,omitempty"`
	Daemon Figures            `json:"daemon"`
	Bare   map[string]Figures `json:"bare"`
	// PerSecond is the daemon's messages a second as a part of each loop's. P50 and P99 are its latencies as multiples of
	// each loop's. Each is made of the two figures of the same turn.
	PerSecond map[string]Ratio `json:"ratio_per_second,omitempty"`
	P50       map[string]Ratio `json:"ratio_p50,omitempty"`
	P99       map[string]Ratio `json:"ratio_p99,omitempty"`
}

// Ratio is a daemon's figure divided by a bare loop's.
type Ratio struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// Figures are what was measured of one pass.
type Figures struct {
	Messages int `json:"messages"`
	// Replies is how many entries were written for the messages.
	Replies   int     `json:"replies"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	// Latency is from the sending of a message until its reply was seen; nil where there was a backlog.
	Latency *Latency `json:"latency_ms,omitempty"`
	// RedisCPU is processor time of Redis for each message, in µs.
	RedisCPU float64 `json:"redis_cpu_us_per_message"`
	// RoundTrips are how often Redis was spoken to and answered, for each message. The daemon's are counted at its sockets,
	// in a pass of their own.
	RoundTrips float64 `json:"round_trips_per_message"`
	// Process is the daemon's; nil for a loop, which has none of its own.
	*Process
}

// Process is what was measured of the daemon's process.
type Process struct {
	// CPU is processor time for each message, in µs. The system counts it in steps of 10 ms.
	CPU float64 `json:"cpu_us_per_message"`
	// Allocations are objects that were allocated for each message.
	Allocations float64 `json:"allocations_per_message"`
	// Resident is its memory at the end, in bytes.
	Resident float64 `json:"resident_bytes"`
}

// newComparison makes medians and ratios. There are as many figures of each loop as of the daemon, in the same order.
func newComparison(w work, bares map[string][]Figures, daemons []Figures) Comparison {
	c := Comparison{
		Rate: w.rate, Daemon: medians(daemons), Bare: map[string]Figures{},
		PerSecond: map[string]Ratio{}, P50: map[string]Ratio{}, P99: map[string]Ratio{},
	}
	for mode, all := range bares {
		c.Bare[mode] = medians(all)
		if w.rate == 0 {
			c.PerSecond[mode] = ratioOf(daemons, all, func(f Figures) float64 { return f.PerSecond })
		} else if c.Daemon.Latency != nil {
			c.P50[mode] = ratioOf(daemons, all, func(f Figures) float64 { return f.Latency.P50 })
			c.P99[mode] = ratioOf(daemons, all, func(f Figures) float64 { return f.Latency.P99 })
		}
	}
	return c
}

func ratioOf(daemons, bares []Figures, of func(Figures) float64) Ratio {
	ratios := make([]float64, len(daemons))
	for i := range daemons {
		ratios[i] = of(daemons[i]) / of(bares[i])
	}
	return Ratio{Median: median(ratios), Least: slices.Min(ratios), Most: slices.Max(ratios)}
}

// medians is the median of every figure on its own.
func medians(all []Figures) Figures {
	of := func(figure func(Figures) float64) float64 {
		values := make([]float64, len(all))
		for i, f := range all {
			values[i] = figure(f)
		}
		return median(values)
	}
	m := all[0]
	m.Replies = int(of(func(f Figures) float64 { return float64(f.Replies) }))
	m.Seconds = of(func(f Figures) float64 { return f.Seconds })
	m.PerSecond = of(func(f Figures) float64 { return f.PerSecond })
	m.RedisCPU = of(func(f Figures) float64 { return f.RedisCPU })
	m.RoundTrips = of(func(f Figures) float64 { return f.RoundTrips })
	if m.Process != nil {
		m.Process = &Process{
			CPU:         of(func(f Figures) float64 { return f.CPU }),
			Allocations: of(func(f Figures) float64 { return f.Allocations }),
			Resident:    of(func(f Figures) float64 { return f.Resident }),
		}
	}
	if slices.ContainsFunc(all, func(f Figures) bool { return f.Latency == nil }) {
		m.Latency = nil
		return m
	}
	m.Latency = &Latency{
		Messages: int(of(func(f Figures) float64 { return float64(f.Latency.Messages) })),

		P50:  of(func(f Figures) float64 { return f.Latency.P50 }),
		P90:  of(func(f Figures) float64 { return f.Latency.P90 }),
		P99:  of(func(f Figures) float64 { return f.Latency.P99 }),
		P999: of(func(f Figures) float64 { return f.Latency.P999 }),
	}
	return m
}

// median sorts the values; with an even number of them it is the mean of the two in the middle.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
