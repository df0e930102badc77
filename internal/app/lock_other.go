//go:build !unix || solaris || aix

package app

// lockFolder does nothing where folders have no locks.
func lockFolder(string) func() { return func() {} }
