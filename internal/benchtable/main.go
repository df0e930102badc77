// Command benchtable writes the table of docs/performance.md, between its two markers, from what go test -bench printed
// and what sgstreamd bench --json has found. make bench runs it:
//
//	benchtable docs/performance.md go-test-output report.json...
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sgstreamd/sgstreamd/internal/loadtest"
)

// The lines between which the table stands.
const (
	beginMark = "<!-- make bench writes from here"
	endMark   = "make bench writes to here -->"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "benchtable: call it as benchtable PAGE GO-TEST-OUTPUT REPORT.json...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "benchtable:", err)
		os.Exit(1)
	}
}

func run(page, micro string, files []string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	out, err := os.Open(micro)
	if err != nil {
		return err
	}
	defer out.Close()
	benchmarks, err := readBenchmarks(out)
	if err != nil {
		return fmt.Errorf("%s: %w", micro, err)
	}
	var reports []loadtest.Report
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var r loadtest.Report
		if err := json.Unmarshal(b, &r); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		reports = append(reports, r)
	}
	var table strings.Builder
	writeTables(&table, benchmarks, reports)
	replaced, err := between(string(text), table.String())
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, []byte(replaced), 0o644)
}

// between puts the table in the place of what stands between the markers' lines.
func between(page, table string) (string, error) {
	head, rest, ok := strings.Cut(page, beginMark)
	first, rest, ok1 := strings.Cut(rest, "\n")
	_, tail, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok1 || !ok2 {
		return "", errors.New("lacks the two markers of the table")
	}
	return head + beginMark + first + "\n\n" + strings.TrimSpace(table) + "\n\n<!-- " + endMark + tail, nil
}

// writeTables writes the machine, and a table for each kind of figure.
func writeTables(w io.Writer, benchmarks []benchmark, reports []loadtest.Report) {
	r := reports[0]
	fmt.Fprintf(w, "Measured on %d cores of %s with Redis %s beside the daemon; %d messages of %d bytes in %d channels, `max_in_flight` %s, medians of %d.\n\n",
		r.Machine.Cores, r.Machine.CPU, r.Redis, r.Messages, r.Size, r.Channels, r.Settings["inbound.max_in_flight"], r.Repeat)
	fmt.Fprintln(w, "| as fast as possible | of `ack` | of `fenced` | of `full` | CPU, Redis's CPU | allocations | round trips | (messages a second) |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, r := range reports {
		t, d := r.Throughput, r.Throughput.Daemon
		fmt.Fprintf(w, "| %s | %s | %s | %s | (%.1f µs, %.1f µs) | %.0f | %.3f | (%.0f) |\n", setup(r), ratio(t.PerSecond, loadtest.BareAck),
			ratio(t.PerSecond, loadtest.BareFenced), ratio(t.PerSecond, loadtest.BareFull), d.CPU, d.RedisCPU, d.Allocations, d.RoundTrips, d.PerSecond)
	}
	for _, mode := range loadtest.Bares() {
		f := r.Throughput.Bare[mode]
		fmt.Fprintf(w, "| bare loop, `%s` | | | | (Redis's %.1f µs) | | %.3f | (%.0f) |\n", mode, f.RedisCPU, f.RoundTrips, f.PerSecond)
	}
	writeLatencies(w, reports)
	writeBenchmarks(w, benchmarks, r.Throughput.Bare[loadtest.BareFenced].PerSecond)
}

func writeLatencies(w io.Writer, reports []loadtest.Report) {
	if reports[0].Latency == nil {
		return
	}
	fmt.Fprintf(w, "\n| at %d messages a second | times p50 of `full` | times p99 of `fenced` | times p99 of `full` | allocations | round trips | (p50, p90, p99, p99.9) |\n",
		reports[0].Latency.Rate)
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- | --- |")
	row := func(name string, l *loadtest.Comparison, f loadtest.Figures, ratios string) {
		if f.Latency == nil {
			return
		}
		allocations := ""
		if f.Process != nil {
			allocations = fmt.Sprintf("%.0f", f.Allocations)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %.2f | (%.2f, %.2f, %.2f, %.2f ms) |\n", name, ratios, allocations, f.RoundTrips,
			f.Latency.P50, f.Latency.P90, f.Latency.P99, f.Latency.P999)
	}
	for _, r := range reports {
		if l := r.Latency; l != nil {
			row(setup(r), l, l.Daemon, ratio(l.P50, loadtest.BareFull)+" | "+ratio(l.P99, loadtest.BareFenced)+" | "+ratio(l.P99, loadtest.BareFull))
		}
	}
	for _, mode := range []string{loadtest.BareFenced, loadtest.BareFull} {
		row("bare loop, `"+mode+"`", reports[0].Latency, reports[0].Latency.Bare[mode], " | | ")
	}
}

// setup says in a cell what was measured.
func setup(r loadtest.Report) string {
	on := "order, lock and trace"
	if r.Settings["inbound.order"] == "none" && r.Settings["inbound.lock.enabled"] == "false" && r.Settings["inbound.trace.enabled"] == "false" {
		on = "none of order, lock and trace"
	}
	return fmt.Sprintf("%s, %s, %s", strings.TrimSuffix(r.Plugin, ".wasm"), r.Codec, on)
}

// ratio is a cell: the median, and where there were several turns the least and the most.
func ratio(of map[string]loadtest.Ratio, mode string) string {
	r, ok := of[mode]
	switch {
	case !ok:
		return ""
	case r.Least == r.Most:
		return fmt.Sprintf("%.2f", r.Median)
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", r.Median, r.Least, r.Most)
}
