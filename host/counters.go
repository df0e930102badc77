package host

import (
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tetratelabs/wazero/api"

	"github.com/sgstreamd/sgstreamd/abi"
)

// counters are those that a plugin has made itself, by name. Their number is bounded: each is a series that the
// metrics' reader pays for. It is safe for concurrent use.
type counters struct {
	vec *prometheus.CounterVec // by name

	mu     sync.Mutex
	byName map[string]prometheus.Counter
}

// named returns the counter of that name, and makes it where there is room for one more; nil where there is none.
func (c *counters) named(name []byte) prometheus.Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if counter, ok := c.byName[string(name)]; ok {
		return counter
	}
	if len(c.byName) == abi.MaxCounters {
		return nil
	}
	counter := c.vec.WithLabelValues(string(name))
	c.byName[string(name)] = counter
	return counter
}

// metricAdd is metric_add. It counts at once, whatever becomes of the message.
func (c *call) metricAdd(mem api.Memory, ptr, size uint32, n int64) abi.Errno {
	if c.ctx.Err() != nil {
		return abi.ErrnoCancelled
	}
	errno, why := c.count(mem, ptr, size, n)
	if errno != abi.ErrnoOK {
		c.refuse("a metric_add", errno, why)
	}
	return errno
}

func (c *call) count(mem api.Memory, ptr, size uint32, n int64) (errno abi.Errno, why string) {
	name, ok := mem.Read(ptr, size)
	switch {
	case !ok:
		return abi.ErrnoFault, "the name lies outside of the memory"
	case size > abi.MaxCounterNameBytes:
		return abi.ErrnoLimit, fmt.Sprintf("the name has %d bytes; %d are allowed", size, abi.MaxCounterNameBytes)
	case size == 0:
		return abi.ErrnoInvalid, "the name is empty"
	case !isCounterName(name):
		return abi.ErrnoInvalid, fmt.Sprintf("the name %q is not made of a to z, 0 to 9 and _", name)
	case n < 0:
		return abi.ErrnoInvalid, fmt.Sprintf("%d is negative, and a counter only grows", n)
	}
	counter := c.plugin.metrics.own.named(name)
	if counter == nil {
		return abi.ErrnoLimit, fmt.Sprintf("the plugin has its %d counters; %s would be one more", abi.MaxCounters, name)
	}
	counter.Add(float64(n))
	return abi.ErrnoOK, ""
}

func isCounterName(name []byte) bool {
	for _, b := range name {
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '_' {
			return false
		}
	}
	return true
}
