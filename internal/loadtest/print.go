package loadtest

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var settings []string
	for _, key := range slices.Sorted(maps.Keys(r.Settings)) {
		settings = append(settings, key+"="+r.Settings[key])
	}
	fmt.Fprintf(t, "plugin %s (%s); %s\n", r.Plugin, r.Codec, strings.Join(settings, " "))
	fmt.Fprintf(t, "%d messages of %d bytes in %d channels", r.Messages, r.Size, min(r.Channels, r.Messages))
	if r.Repeat > 1 {
		fmt.Fprintf(t, "; medians of %d", r.Repeat)
	}
	own := ""
	if r.OwnRedis {
		own = ", of its own"
	}
	fmt.Fprintf(t, "\nsgstreamd %s; %d cores, %s; Redis %s%s\n", r.Version, r.Machine.Cores, r.Machine.CPU, r.Redis, own)
	r.Throughput.print(t)
	if r.Latency != nil {
		r.Latency.print(t)
	}
	return t.Flush()
}

// print writes a row for the daemon and one for each loop.
func (c *Comparison) print(w io.Writer) {
	if c.Rate == 0 {
		fmt.Fprint(w, "\nas fast as possible\tDAEMON/LOOP\tMESSAGES/S")
	} else {
		fmt.Fprintf(w, "\nat %d messages/s\tP50, DAEMON/LOOP\tP99, DAEMON/LOOP\tP50 MS\tP90 MS\tP99 MS\tP99.9 MS", c.Rate)
	}
	fmt.Fprint(w, "\tCPU µs\tREDIS CPU µs\tALLOCATIONS\tROUND TRIPS\tMEMORY MB\n")
	c.row(w, "daemon", c.Daemon, "")
	for _, mode := range Bares() {
		if f, ok := c.Bare[mode]; ok {
			c.row(w, "bare loop, "+mode, f, mode)
		}
	}
	for _, remark := range c.remarks() {
		fmt.Fprintln(w, remark)
	}
}

// reached is the part of the rate that has to be reached for the latencies to be those at this rate.
const reached = 0.95

// remarks are what has to be known to read the figures.
func (c *Comparison) remarks() (all []string) {
	d := c.Daemon
	if d.Replies != d.Messages {
		all = append(all, fmt.Sprintf("The plugin wrote %d replies for %d messages.", d.Replies, d.Messages))
	}
	if c.Rate == 0 {
		return all
	}
	switch {
	case d.Latency == nil:
		all = append(all, "No message was answered, so there are no latencies.")
	case d.Latency.Messages < d.Messages:
		all = append(all, fmt.Sprintf("Latencies are of the %d messages that were answered, of %d.", d.Latency.Messages, d.Messages))
	default:
		all = append(all, fmt.Sprintf("Latencies are of %d messages.", d.Messages))
	}
	if d.PerSecond < reached*float64(c.Rate) {
		all = append(all, fmt.Sprintf("The rate was not reached: %.0f messages a second were.", d.PerSecond))
	}
	return all
}

func (c *Comparison) row(w io.Writer, name string, f Figures, mode string) {
	cells := []string{name}
	ratio := func(of map[string]Ratio) {
		text := ""
		if r, ok := of[mode]; ok {
			text = fmt.Sprintf("%.2f", r.Median)
			if r.Least != r.Most {
				text += fmt.Sprintf(" (%.2f to %.2f)", r.Least, r.Most)
			}
		}
		cells = append(cells, text)
	}
	if c.Rate == 0 {
		ratio(c.PerSecond)
		cells = append(cells, fmt.Sprintf("%.0f", f.PerSecond))
	} else {
		ratio(c.P50)
		ratio(c.P99)
		if l := f.Latency; l != nil {
			for _, ms := range []float64{l.P50, l.P90, l.P99, l.P999} {
				cells = append(cells, fmt.Sprintf("%.2f", ms))
			}
		} else {
			cells = append(cells, "", "", "", "") // nobody has answered
		}
	}
	cpu, allocations, memory := "", "", ""
	if p := f.Process; p != nil {
		cpu, allocations, memory = fmt.Sprintf("%.1f", p.CPU), fmt.Sprintf("%.1f", p.Allocations), fmt.Sprintf("%.0f", p.Resident/1e6)
	}
	cells = append(cells, cpu, fmt.Sprintf("%.1f", f.RedisCPU), allocations, fmt.Sprintf("%.3f", f.RoundTrips), memory)
	fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}
