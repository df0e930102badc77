package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const goTest = `goos: linux
pkg: github.com/sgstreamd/sgstreamd/host
cpu: AMD EPYC
BenchmarkEmit-2   	     217	   1590654 ns/op	         3.057 allocs/emit	      1591 ns/emit	  807317 B/op	    3057 allocs/op
BenchmarkHandle-2   	   93244	      4240 ns/op	      1713 bare-ns/op	         2.475 x-bare	    2456 B/op	      25 allocs/op
PASS
ok  	github.com/sgstreamd/sgstreamd/host	4.799s
pkg: github.com/sgstreamd/sgstreamd/envelope
BenchmarkAppendMessage/msgpack-2         	 1000000	       500.0 ns/op	1000.11 MB/s	       0 B/op	       0 allocs/op
`

const report = `{"machine":{"cores":2,"cpu":"a model"},"redis":"7.0.15","plugin":"echo-c.wasm","codec":"msgpack",
"settings":{"inbound.max_in_flight":"64","inbound.order":"none","inbound.lock.enabled":"false","inbound.trace.enabled":"false"},
"messages":1000,"size":600,"channels":10,"repeat":3,
"throughput":{"daemon":{"per_second":40000,"allocations_per_message":90.4,"round_trips_per_message":0.1},
"bare":{"fenced":{"per_second":100000,"round_trips_per_message":0.008}},"ratio_per_second":{"fenced":{"median":0.4,"least":0.3,"most":0.5}}},
"latency":{"rate":1000,"daemon":{"latency_ms":{"p50":1,"p90":2,"p99":3,"p99_9":4}},"bare":{"full":{"latency_ms":{"p50":0.5,"p90":1,"p99":1.5,"p99_9":2}}},
"ratio_p99":{"full":{"median":2,"least":2,"most":2}}}}`

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestTheTableStandsBetweenTheMarkers(t *testing.T) {
	t.Parallel()
	page := write(t, "page.md", "before\n\n<!-- make bench writes from here; more -->\n\nold\n\n<!-- make bench writes to here -->\n\nafter\n")
	for range 2 { // the second time over what the first has written
		require.NoError(t, run(page, write(t, "go", goTest), []string{write(t, "r.json", report)}))
	}
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	got := string(b)
	require.True(t, strings.HasPrefix(got, "before\n\n<!-- make bench writes from here; more -->\n\nMeasured on 2 cores of a model with Redis 7.0.15 "), got)
	require.True(t, strings.HasSuffix(got, " |\n\n<!-- make bench writes to here -->\n\nafter\n"), got)
	require.NotContains(t, got, "old")
	for _, row := range []string{
		"| echo-c, msgpack, none of order, lock and trace |  | 0.40 (0.30 to 0.50) |  | (0.0 µs, 0.0 µs) | 90 | 0.100 | (40000) |\n",
		"| echo-c, msgpack, none of order, lock and trace |  |  | 2.00 |  | 0.00 | (1.00, 2.00, 3.00, 4.00 ms) |\n",
		"| `host.Emit` | 0.159 |  | 3 | (1.59 µs) |\n",
		"| `host.Handle` | 0.424 | 2.48 | 25 | (4.24 µs) |\n",
		"| `envelope.AppendMessage/msgpack` | 0.050 |  | 0 | (0.50 µs) |\n",
	} {
		require.Equal(t, 1, strings.Count(got, row), "%s\n%s", row, got)
	}
}

func TestWhatCanNotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	page := write(t, "page.md", "no markers\n")
	good, json := write(t, "go", goTest), write(t, "r.json", report)
	require.EqualError(t, run(page, good, []string{json}), page+": lacks the two markers of the table")
	failed := write(t, "failed", goTest+"--- FAIL: TestX\nFAIL\n")
	require.EqualError(t, run(page, failed, []string{json}), failed+": it reports a failure: --- FAIL: TestX")
	empty := write(t, "empty", "")
	require.EqualError(t, run(page, empty, []string{json}), empty+": there is no benchmark in it")
	require.ErrorContains(t, run(page, good, []string{empty}), empty+": ")
}
