package app_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

func TestStopFinishesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			r := redistest.Start(t)
			d := startDaemon(t, "redis.url="+r.URL(), "inbound.processor=moody")
			d.ready()
			say(t, r.Client(t), "sleep 1s")
			d.line("sleeping")
			d.signal(signal)
			require.Equal(t, 0, d.exit())
			require.Equal(t, []string{"sleep 1s"}, replies(t, r.Client(t)))
			require.Zero(t, pending(t, r.Client(t)))
		})
	}
}

func TestStopGivesBackWhatWasNotBegun(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	settings := []string{"redis.url=" + r.URL(), "inbound.processor=moody"}
	d := startDaemon(t, settings...)
	d.ready()
	sayAs(t, c, "sleep 15s", true) // long enough for a peer to start on a busy machine
	d.line("sleeping")
	sayAs(t, c, "hello", true)
	eventually(t, "both are fetched", func() bool { return pending(t, c) == 2 })
	peer := startDaemon(t, settings...)
	peer.ready()
	d.stop()
	// min_idle is 60 s: what waited for its turn does not wait for that.
	answered(t, c, "hello")
}

func TestDrainHasAnEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		timeout string
		again   bool
	}{
		"at its timeout":           {timeout: "200ms"},
		"at once by a second stop": {timeout: "1h", again: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := redistest.Start(t)
			d := startDaemon(t, "redis.url="+r.URL(), "inbound.processor=moody", "drain.timeout="+test.timeout)
			d.ready()
			say(t, r.Client(t), "sleep 1h")
			d.line("sleeping")
			d.signal(syscall.SIGTERM)
			if test.again {
				d.signal(os.Interrupt)
			}
			require.Equal(t, 3, d.exit(), "exit code of a drain that is not complete")
			require.EqualValues(t, 1, pending(t, r.Client(t)), "the message is left for others")
			d.line("message given back")
		})
	}
}
