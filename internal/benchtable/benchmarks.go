package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// benchmark is one line of go test -bench.
type benchmark struct {
	name    string             // with the package's last part: host.Call
	figures map[string]float64 // by unit, such as ns/op
}

// processors is the number that go test appends to a name where there is more than one.
var processors = regexp.MustCompile(`-\d+$`)

// readBenchmarks reads the output of go test -bench for any number of packages. A failure in it is an error.
func readBenchmarks(r io.Reader) ([]benchmark, error) {
	var all []benchmark
	pkg := ""
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 2 && fields[0] == "pkg:":
			pkg = path.Base(fields[1])
		case len(fields) > 0 && (fields[0] == "FAIL" || fields[0] == "---"):
			return nil, fmt.Errorf("it reports a failure: %s", lines.Text())
		case len(fields) >= 4 && strings.HasPrefix(fields[0], "Benchmark"):
			b := benchmark{pkg + "." + processors.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), ""), map[string]float64{}}
			for i := 2; i+1 < len(fields); i += 2 {
				n, err := strconv.ParseFloat(fields[i], 64)
				if err != nil {
					return nil, fmt.Errorf("%q is no figure: %s", fields[i], lines.Text())
				}
				b.figures[fields[i+1]] = n
			}
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there is no benchmark in it")
	}
	return all, lines.Err()
}

// writeBenchmarks writes a row for each benchmark. Its time is given as a part of what a bare loop takes for a message.
func writeBenchmarks(w io.Writer, all []benchmark, perSecond float64) {
	fmt.Fprintln(w, "\n| part | of a message of the loop `fenced` | of a bare call | allocations | (time) |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- |")
	for _, b := range all {
		share, bare := "", ""
		ns, allocs := b.figures["ns/op"], b.figures["allocs/op"]
		if perEmit, ok := b.figures["ns/emit"]; ok { // a run of it is many
			ns, allocs = perEmit, b.figures["allocs/emit"]
		}
		if perSecond > 0 {
			share = fmt.Sprintf("%.3f", ns*perSecond/1e9)
		}
		if x, ok := b.figures["x-bare"]; ok {
			bare = fmt.Sprintf("%.2f", x)
		}
		fmt.Fprintf(w, "| `%s` | %s | %s | %.0f | (%.2f µs) |\n", b.name, share, bare, allocs, ns/1e3)
	}
}
