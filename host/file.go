package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/alecthomas/units"
)

// maxModule is the size of the largest file that is read as a module, in bytes.
const maxModule = 256 * units.MiB

// readModule reads a module's file. It looks at the file first: opening a named pipe waits for a writer, which
// may never come, and a device may have no end.
func readModule(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if target, linkErr := os.Readlink(path); linkErr == nil {
			return nil, fmt.Errorf("%s: is a link to %s, which is not there: %w", path, target, fs.ErrNotExist)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: is not a regular file", path)
	case info.Size() > int64(maxModule):
		return nil, fmt.Errorf("%s: is %d bytes large; the limit is %v", path, info.Size(), maxModule)
	}
	return os.ReadFile(path)
}
