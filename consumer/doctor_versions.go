package consumer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// version is a Redis version: major, minor, patch.
type version [3]int

// String writes the version with its dots.
func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v version) before(other version) bool { return slices.Compare(v[:], other[:]) < 0 }

// parseVersion reads "7.0.15". It is the zero version where the text is none; parts that are no number are 0.
func parseVersion(s string) version {
	var v version
	for i, part := range strings.SplitN(s, ".", len(v)) {
		v[i], _ = strconv.Atoi(part)
	}
	return v
}

// oldest is the first version that the daemon can work with: XPENDING has IDLE since then.
var oldest = version{6, 2, 0}

// knowing is the first version that tells rights to a script, and a group's lag.
var knowing = version{7, 0, 0}

// bug is one that Redis's release notes name, in the versions from first to before fixed.
type bug struct {
	first, fixed version
	severity     Severity
	problem      string
}

// knownBugs are those that touch what the daemon, or a Python worker beside it, does. Security holes that need a
// hostile client are not among them.
func knownBugs() []bug {
	return []bug{
		{version{6, 2, 0}, version{6, 2, 7}, Warning, "XADD with MAXLEN may trim a whole node of a stream too many (redis#10068)"},
		{version{6, 2, 0}, version{6, 2, 7}, Warning, "scripts are not held to min-replicas-to-write (redis#10160)"},
		{version{6, 2, 6}, version{6, 2, 7}, Danger, "a script's call with thousands of arguments crashes Redis (redis#9809)"},
		{version{7, 0, 0}, version{7, 0, 3}, Warning, "with min-replicas-to-write, a slow script may be broken off between two of its writes (redis#10855)"},
		{version{7, 0, 0}, version{7, 0, 5}, Warning, "XAUTOCLAIM, which other workers use, may overflow the heap and crash Redis (CVE-2022-31144, CVE-2022-35951)"},
		{version{7, 0, 0}, version{7, 0, 11}, Warning, "the append-only file may miss an fsync, so that a crash loses more than appendfsync says (redis#11004, redis#11973)"},
	}
}

// version examines the version. Forks count from their own, and name the one of Redis that they resemble.
func (f *serverFacts) version() []Finding {
	v := parseVersion(f.info["redis_version"])
	subject := "Redis is " + v.String()
	if v.before(oldest) {
		return []Finding{{Danger, subject, "sgstreamd needs XPENDING with IDLE, which came with " + oldest.String(), "upgrade Redis to the newest 7.0 or later"}}
	}
	var found []Finding
	if v.before(knowing) {
		found = append(found, Finding{Notice, subject, "it can't tell rights and lag, so they could not be examined", "upgrade to the newest 7.0 or later"})
	}
	if name := f.info["server_name"]; name != "" && name != "redis" {
		return found
	}
	for _, b := range knownBugs() {
		if !v.before(b.first) && v.before(b.fixed) {
			found = append(found, Finding{b.severity, subject, b.problem, "upgrade to " + b.fixed.String() + " or later"})
		}
	}
	return found
}
