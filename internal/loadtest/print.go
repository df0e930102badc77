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
	fmt.Fprintf(t, "%d messages of %d bytes in %d channels; medians of %d\n", r.Messages, r.Size, r.Channels, r.Repeat)
	fmt.Fprintf(t, "%d cores, %s; Redis %s\n", r.Machine.Cores, r.Machine.CPU, r.Redis)
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
		fmt.Fprintf(w, "\nat %d messages/s\tDAEMON/LOOP P50\tP99\tP50 MS\tP90 MS\tP99 MS\tP99.9 MS", c.Rate)
	}
	fmt.Fprint(w, "\tCPU µs\tREDIS CPU µs\tALLOCATIONS\tROUND TRIPS\n")
	c.row(w, "daemon", c.Daemon, "")
	for _, mode := range Bares() {
		if f, ok := c.Bare[mode]; ok {
			c.row(w, "bare loop, "+mode, f, mode)
		}
	}
}

func (c *Comparison) row(w io.Writer, name string, f Figures, mode string) {
	cells := []string{name}
	ratio := func(of map[string]Ratio) {
		text := ""
		if r, ok := of[mode]; ok {
			text = fmt.Sprintf("%.2f", r.Median)
		}
		cells = append(cells, text)
	}
	if c.Rate == 0 {
		ratio(c.PerSecond)
		cells = append(cells, fmt.Sprintf("%.0f", f.PerSecond))
	} else {
		ratio(c.P50)
		ratio(c.P99)
		l := f.Latency
		if l == nil { // nobody has answered
			l = &Latency{}
		}
		for _, ms := range []float64{l.P50, l.P90, l.P99, l.P999} {
			cells = append(cells, fmt.Sprintf("%.2f", ms))
		}
	}
	cells = append(cells, orNone("%.1f", f.CPU), fmt.Sprintf("%.1f", f.RedisCPU), orNone("%.1f", f.Allocations), fmt.Sprintf("%.3f", f.RoundTrips))
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

// orNone is nothing for a figure that was not measured.
func orNone(format string, n float64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, n)
}
