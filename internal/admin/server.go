package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Readiness answers /readyz: the reasons why the daemon is not ready (none: it is), and remarks that an
// operator should see but that keep no traffic away.
type Readiness func(ctx context.Context) (problems, remarks []error)

// Server is the admin server. It serves /healthz, /readyz and /metrics.
type Server struct {
	http     *http.Server
	listener net.Listener
	done     chan error
}

// Start listens and serves. An error names the address.
func Start(c Config, metrics prometheus.Gatherer, ready Readiness) (*Server, error) {
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("admin.listen = %q: %w", c.Listen, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", readyz(ready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	s := &Server{
		http:     &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second},
		listener: l, done: make(chan error, 1),
	}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// Addr is the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close stops serving. Requests that are under way may finish until ctx is done.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// readyz answers 200 and "ready", or 503 and a line for each reason; remarks follow either.
func readyz(ready Readiness) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		problems, remarks := ready(r.Context())
		lines := []string{"ready"}
		if len(problems) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			lines[0] = "not ready"
		}
		for _, p := range append(problems, remarks...) {
			lines = append(lines, strings.ReplaceAll(p.Error(), "\n", "; "))
		}
		io.WriteString(w, strings.Join(lines, "\n")+"\n")
	}
}
