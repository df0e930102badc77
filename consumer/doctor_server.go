package consumer

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// serverFacts is what a server tells of itself: the fields of INFO, and settings of CONFIG GET. A fact that it did not
// tell is empty.
type serverFacts struct{ info, config map[string]string }

func (f *serverFacts) clustered() bool { return f.info["cluster_enabled"] == "1" }

// number is a field of INFO or a setting as a number, 0 where there is none.
func (f *serverFacts) number(m map[string]string, name string) int64 {
	n, _ := strconv.ParseInt(m[name], 10, 64)
	return n
}

// wanted are the settings that INFO does not tell.
func wanted() []string {
	return []string{"save", "appendfsync", "min-replicas-to-write", "min-replicas-max-lag"}
}

// server examines a server itself, once. Of several, each finding names the one.
func (e *examination) server(ctx context.Context, c *redis.Client) error {
	const what = "version, memory, persistence and replication"
	addr := c.Options().Addr
	if facts, seen := e.servers[addr]; seen {
		e.facts = facts
		return nil
	}
	reply, err := c.Info(ctx).Result()
	if err != nil {
		return e.refused("INFO", what, err)
	}
	e.facts = serverFacts{info: parseInfo(reply), config: map[string]string{}}
	e.servers[addr] = e.facts
	if e.facts.info["redis_version"] == "" {
		e.found(Notice, "INFO", "this server tells nothing of its "+what+", so they could not be examined", "look at them by hand")
		return nil
	}
	for _, name := range wanted() {
		values, err := c.ConfigGet(ctx, name).Result()
		if err != nil {
			if err := e.refused("CONFIG GET", "save, appendfsync and min-replicas-to-write", err); err != nil {
				return err
			}
			break
		}
		e.facts.config[name] = values[name]
	}
	for _, f := range slices.Concat(e.facts.version(), e.facts.memory(), e.facts.persistence(), e.facts.replication()) {
		if e.facts.clustered() {
			f.Subject = "node " + addr + ": " + f.Subject
		}
		e.findings = append(e.findings, f)
	}
	return nil
}

// parseInfo reads INFO's lines, name:value.
func parseInfo(reply string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(reply) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

func (f *serverFacts) memory() []Finding {
	policy, limit, used := f.info["maxmemory_policy"], f.number(f.info, "maxmemory"), f.number(f.info, "used_memory")
	subject, remedy := "maxmemory-policy is "+policy, "set maxmemory-policy noeviction"
	var found []Finding
	switch {
	case policy == "" || policy == "noeviction":
	case limit == 0:
		found = append(found, Finding{Notice, subject, "it has no effect without maxmemory; with one, Redis would evict", remedy})
	case strings.HasPrefix(policy, "volatile-"):
		found = append(found, Finding{Warning, subject, "Redis may evict locks, retry schedules, audits and traces, which have a time to live", remedy})
	default:
		found = append(found, Finding{Danger, subject, "Redis may evict streams", remedy})
	}
	if limit > 0 && float64(used) >= alarmAt*float64(limit) {
		found = append(found, Finding{Warning, fmt.Sprintf("memory is %d%% of maxmemory", 100*used/limit),
			"once it is full, nothing can be written, and no message committed", "raise maxmemory, or trim streams"})
	}
	return found
}

func (f *serverFacts) persistence() []Finding {
	switch f.info["aof_enabled"] {
	case "":
		return nil
	case "0":
		return f.snapshots()
	}
	if f.info["aof_last_write_status"] == "err" {
		return []Finding{{Danger, "the append-only file", "Redis can't write it, and refuses writes", "look at Redis's log and its disk"}}
	}
	subject := "appendfsync is " + f.config["appendfsync"]
	switch f.config["appendfsync"] {
	case "everysec":
		return []Finding{{Notice, subject, "a crash of Redis's machine loses about a second: messages, and acknowledgements",
			"set appendfsync always if that is too much; it is slower"}}
	case "no":
		return []Finding{{Warning, subject, "a crash of Redis's machine loses what its kernel had not written, often half a minute",
			"set appendfsync everysec, or always"}}
	}
	return nil
}

// snapshots examines a Redis without an append-only file.
func (f *serverFacts) snapshots() []Finding {
	const subject, remedy = "appendonly is no", "set appendonly yes"
	save, known := f.config["save"]
	if known && save == "" {
		return []Finding{{Danger, subject + " and save is empty", "when Redis ends, all messages are gone", remedy}}
	}
	problem := "a crash of Redis loses what came after its last snapshot"
	if longest := longestSave(save); longest > 0 {
		problem += fmt.Sprintf(", up to %v (save %s)", longest, save)
	}
	found := []Finding{{Warning, subject, problem, remedy}}
	if f.info["rdb_last_bgsave_status"] == "err" {
		found = append(found, Finding{Danger, "the last snapshot", "it failed, and Redis may refuse writes", "look at Redis's log and its disk"})
	}
	return found
}

// longestSave is the longest interval of the setting save, which is pairs of seconds and changes.
func longestSave(save string) time.Duration {
	var longest time.Duration
	for i, word := range strings.Fields(save) {
		if n, err := strconv.Atoi(word); err == nil && i%2 == 0 {
			longest = max(longest, time.Duration(n)*time.Second)
		}
	}
	return longest
}

func (f *serverFacts) replication() []Finding {
	if f.info["role"] == "slave" {
		primary := f.info["master_host"] + ":" + f.info["master_port"]
		problem := "it takes no writes"
		if f.info["slave_read_only"] == "0" {
			problem = "what is written here is lost at the next synchronization"
		}
		return []Finding{{Danger, "this Redis is a replica of " + primary, problem, "point redis.url at the primary"}}
	}
	if f.number(f.info, "connected_slaves") == 0 {
		return nil
	}
	const subject, remedy = "replication is asynchronous", "set min-replicas-to-write 1 and min-replicas-max-lag 10 or less"
	needed, known := f.config["min-replicas-to-write"]
	switch {
	case !known:
		return []Finding{{Notice, subject, "a failover loses what has not reached the replica, acknowledged work among it", remedy}}
	case needed == "0" || f.config["min-replicas-max-lag"] == "0":
		return []Finding{{Warning, subject, "a failover loses what has not reached the replica, acknowledged work among it; nothing bounds that", remedy}}
	}
	return []Finding{{Notice, subject, fmt.Sprintf("a failover loses what has not reached the replica; a primary that is cut off goes on for up to %s s",
		f.config["min-replicas-max-lag"]), "lower min-replicas-max-lag if that is too much"}}
}
