package consumer

import (
	"fmt"
	"net"
	"strings"
)

// ExamineConnection looks for what would break a promise in how Redis is reached. It does not connect. The URL is
// taken to be valid; its password is in no finding.
func ExamineConnection(c RedisConfig) []Finding {
	if c.URL == Embedded {
		return []Finding{{Warning, `redis.url is "embedded"`, "it is for development, and forgets everything when the daemon ends",
			`write "redis://host:6379/0" in redis.url`}}
	}
	a, err := parseAddress(c.URL)
	if err != nil || a.tls != nil {
		return nil
	}
	if a.server != nil && a.server.Network == "tcp" {
		a.hosts = []string{a.server.Addr}
	}
	var far []string
	for _, h := range a.hosts {
		if name, _, _ := net.SplitHostPort(h); !isLoopback(name) {
			far = append(far, name)
		}
	}
	if len(far) == 0 {
		return nil
	}
	return []Finding{{Notice, "redis.url has no TLS", "messages and the password cross the network to " + strings.Join(far, ", ") + " in the clear",
		`write "rediss…", unless the network is private`}}
}

// isLoopback tells of a host that is this machine; a URL without one means localhost.
func isLoopback(host string) bool {
	return host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}

// settings examines the settings that only make sense together.
func (e *examination) settings(w *Worker) {
	idle := w.cfg.Autoclaim.MinIdle
	if w.cfg.Lock.Enabled && w.cfg.Lock.TTL > idle {
		e.found(Warning, fmt.Sprintf("lock.ttl (%v) is above autoclaim.min_idle (%v)", w.cfg.Lock.TTL, idle),
			"what is taken over from a dead worker waits for the dead worker's lock", "set lock.ttl below autoclaim.min_idle")
	}
	if !w.cfg.Autoclaim.Enabled {
		e.found(Notice, fmt.Sprintf("autoclaim is off for stream %q", w.cfg.Stream),
			"what fails, or is left by a crashed worker, stays pending until somebody else claims it", "set autoclaim.enabled = true")
	}
}
