package loadtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// calls has a plugin ask a slow server for each message, many at once. The ideal is that as many calls as there may be wait
// at every moment, and nothing else takes any time.
func (p *proof) calls(ctx context.Context) (claims []Claim, err error) {
	api, err := startSlow(p.Wait)
	if err != nil {
		return nil, err
	}
	defer api.close()
	err = p.within(ctx, p.Asking, p.CallMessages, func(r *run) error {
		r.tables = fmt.Sprintf(`
[plugins.bench]
max_instances = %d
timeout = "1m"
config = { url = "http://%[2]s" }
http = { origins = ["http://%[2]s"], addresses = ["%[2]s"], max_concurrent = %[1]d }
`, p.Calls, api.addr())
		r.Settings = append(r.Settings, fmt.Sprintf("inbound.max_in_flight=%d", p.Calls))
		figures, most, err := r.watchedPass(ctx, work{messages: p.CallMessages, what: ProofCalls})
		if err == nil && int(api.served.Load()) < p.CallMessages {
			err = fmt.Errorf("%d requests were made for %d messages", api.served.Load(), p.CallMessages)
		}
		what := fmt.Sprintf("%d calls at once that wait %v for a server", p.Calls, p.Wait)
		ideal := float64(p.Calls) / p.Wait.Seconds()
		claims = []Claim{
			{What: what + ": of the ideal rate", Measured: figures.PerSecond / ideal, Bound: 0.95, AtLeast: true},
			{What: what + ": resident memory", Measured: most / 1e6, Bound: 200, Unit: " MB"},
		}
		return err
	})
	return claims, err
}

// watchedPass is a pass of a daemon whose resident memory is watched, and the most that it had, in bytes.
func (r *run) watchedPass(ctx context.Context, w work) (f Figures, most float64, err error) {
	s := r.begin(w, "the daemon", w.warmUp()+w.messages)
	if s.daemon, err = startDaemon(ctx, &r.Options, r.folder, s.names, r.server.config); err != nil {
		return f, 0, err
	}
	defer s.daemon.kill()
	watching, stop := context.WithCancel(ctx)
	seen := make(chan float64)
	go func() { seen <- s.mostResident(watching) }()
	f, err = s.daemonFigures(ctx, nil)
	stop()
	return f, <-seen, err
}

// residentEvery is the time between two looks at the memory.
const residentEvery = 250 * time.Millisecond

// mostResident looks at the daemon's memory until ctx is done. A daemon that is held does not answer for a while.
func (s *stage) mostResident(ctx context.Context) (most float64) {
	for pause(ctx, residentEvery) {
		if now, err := s.daemon.scrape(ctx); err == nil {
			most = max(most, now.resident)
		}
	}
	return most
}

// slow is a server that lets everyone wait.
type slow struct {
	listener net.Listener
	server   http.Server
	served   atomic.Int64
	wait     time.Duration
}

func startSlow(wait time.Duration) (*slow, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &slow{listener: l, wait: wait}
	s.server.Handler = s
	go func() { _ = s.server.Serve(l) }() // until it is closed
	return s, nil
}

func (s *slow) addr() string { return s.listener.Addr().String() }
func (s *slow) close()       { _ = s.server.Close() }

// ServeHTTP implements http.Handler.
func (s *slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if pause(r.Context(), s.wait) {
		s.served.Add(1)
		_, _ = io.WriteString(w, "after the last ferry has left")
	}
}
