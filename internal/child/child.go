// Package child is what the tools that run the daemon as a child process need of the system: children that end with
// their parent, and can be stopped and continued.
package child
