package loadtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// process is what the daemon's metrics tell of its process.
type process struct {
	cpu      float64 // seconds, user and system
	mallocs  float64 // objects that were ever allocated
	resident float64 // bytes
}

// scrapeTimeout is how long the daemon may take to answer.
const scrapeTimeout = 10 * time.Second

// scrape reads the daemon's metrics.
func (d *daemon) scrape(ctx context.Context) (process, error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.admin+"/metrics", nil)
	if err != nil {
		return process{}, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return process{}, fmt.Errorf("the daemon's metrics: %w", err)
	}
	defer response.Body.Close()
	values, err := metricsIn(response.Body)
	if err != nil {
		return process{}, fmt.Errorf("the daemon's metrics: %w", err)
	}
	return process{
		cpu: values["process_cpu_seconds_total"], mallocs: values["go_memstats_mallocs_total"], resident: values["process_resident_memory_bytes"],
	}, nil
}

// metricsIn reads the metrics without labels.
func metricsIn(r io.Reader) (map[string]float64, error) {
	values := map[string]float64{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if n, err := strconv.ParseFloat(value, 64); ok && err == nil {
			values[name] = n
		}
	}
	return values, lines.Err()
}

// cpu is the time that Redis has used of its processors so far, in seconds.
func (s *server) cpu(ctx context.Context) (float64, error) {
	info, err := s.info(ctx, "cpu")
	if err != nil {
		return 0, err
	}
	user, _ := strconv.ParseFloat(info["used_cpu_user"], 64)
	system, _ := strconv.ParseFloat(info["used_cpu_sys"], 64)
	return user + system, nil
}

// info is one section of what Redis tells of itself.
func (s *server) info(ctx context.Context, section string) (map[string]string, error) {
	text, err := s.client.Info(ctx, section).Result()
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	values := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			values[key] = value
		}
	}
	return values, nil
}
