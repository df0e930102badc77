//go:build unix && !solaris && !aix

package app

import (
	"os"
	"syscall"
	"time"
)

// lockFolder keeps other daemons, and the commands of operators, from changing the folder's lock file until the result is
// called. A folder that can't be locked within two seconds is not: its file system may have no locks, and whoever may read
// it may hold one for ever.
func lockFolder(dir string) func() {
	f, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	for range 200 {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != syscall.EWOULDBLOCK && err != syscall.EINTR { //nolint:errorlint // a number
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return func() { f.Close() }
}
