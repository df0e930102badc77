package verify

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Report is what a run has found.
type Report struct {
	Seed     uint64        `json:"seed"`
	Duration time.Duration `json:"-"`
	Seconds  float64       `json:"seconds"`
	Workers  int           `json:"workers"`
	Redis    string        `json:"redis"`

	// Sent counts the messages, and Poison those of them that can't succeed; Committed and DeadLettered count what
	// became of them, each once.
	Sent         int `json:"sent"`
	Poison       int `json:"poison"`
	Committed    int `json:"committed"`
	DeadLettered int `json:"dead_lettered"`
	// Again counts the effects that came once more because the group was destroyed.
	Again int `json:"answered_again"`
	// Violations counts the broken promises of each kind; every kind is there.
	Violations map[Kind]int `json:"violations"`
	// LongestWait is the longest time from a message's sending to its answer, LongestGap that between two
	// effects.
	LongestWait time.Duration `json:"-"`
	LongestGap  time.Duration `json:"-"`
	WaitSeconds float64       `json:"longest_wait_seconds"`
	GapSeconds  float64       `json:"longest_gap_seconds"`
	// Faults counts what was done, and Failures says why a fault could not be done.
	Faults   map[string]int    `json:"faults"`
	Failures map[string]string `json:"fault_failures,omitempty"`
	// History is all that is known of the first violation, and Folder holds the workers' logs; both are empty
	// where there is none.
	History string `json:"history,omitempty"`
	Folder  string `json:"folder,omitempty"`
}

// Broken is how many promises were broken.
func (r *Report) Broken() int {
	n := 0
	for _, count := range r.Violations {
		n += count
	}
	return n
}

// Print writes the report as a table.
func (r *Report) Print(w io.Writer) error {
	var t strings.Builder
	row := func(name string, value any) { fmt.Fprintf(&t, "%-24s%12v\n", name, value) }
	row("sent", r.Sent)
	row("of them poison", r.Poison)
	row("committed", r.Committed)
	row("dead-lettered", r.DeadLettered)
	if r.Again > 0 {
		row("answered again", r.Again)
	}
	for _, kind := range Kinds() {
		row(string(kind), r.Violations[kind])
	}
	row("longest wait", r.LongestWait)
	row("longest gap", r.LongestGap)
	var faults []string
	for _, f := range Faults() {
		if n := r.Faults[f.Name]; n > 0 {
			faults = append(faults, fmt.Sprintf("%s %d", f.Name, n))
		}
	}
	fmt.Fprintf(&t, "\nfaults: %s\n", strings.Join(faults, ", "))
	for _, f := range Faults() {
		if why := r.Failures[f.Name]; why != "" {
			fmt.Fprintf(&t, "fault %s could not be done: %s\n", f.Name, why)
		}
	}
	fmt.Fprintf(&t, "seed %d, %v, %d workers, %s\n", r.Seed, r.Duration, r.Workers, r.Redis)
	if r.History != "" {
		fmt.Fprintf(&t, "\nthe first violation:\n%s\nthe workers' logs are in %s\n", r.History, r.Folder)
	}
	_, err := io.WriteString(w, t.String())
	return err
}
