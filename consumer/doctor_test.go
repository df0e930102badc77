package consumer

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// sound are the arguments of a server about which nothing is to be said.
var sound = []string{"--appendonly", "yes", "--appendfsync", "always"}

// newSoundRig is a rig at such a server, whose settings are sound, too.
func newSoundRig(t *testing.T, args ...string) (*rig, *redistest.Server) {
	t.Helper()
	r, s := newRig(t, append(append([]string{}, sound...), args...)...)
	r.in = DefaultInbound()
	return r, s
}

// examined is what the doctor finds for a processor and an adapter.
func (r *rig) examined() []Finding {
	r.t.Helper()
	found, err := Examine(r.ctx, r.dial(1), []WorkerConfig{
		Inbound("doctor", r.in, r.out, r.dead, r.state), Outbound("doctor", platform, r.out, r.dead, r.state),
	})
	require.NoError(r.t, err)
	return found
}

// finds expects this one finding, and nothing else.
func (r *rig) finds(s Severity, texts ...string) {
	r.t.Helper()
	found := r.examined()
	require.Len(r.t, found, 1)
	isFinding(r.t, found[0], s, texts...)
}

func isFinding(t *testing.T, f Finding, s Severity, texts ...string) {
	t.Helper()
	require.Equal(t, s, f.Severity, f.String())
	for _, text := range texts {
		require.Contains(t, f.String(), text)
	}
	require.NotContains(t, f.String(), "\n")
	require.NotEmpty(t, f.Remedy)
}

// add appends so many entries to the stream, with MAXLEN where it is not 0.
func (r *rig) add(stream string, n int, maxLen int64) {
	r.t.Helper()
	_, err := r.redis.Pipelined(r.ctx, func(p redis.Pipeliner) error {
		for range n {
			p.XAdd(r.ctx, &redis.XAddArgs{Stream: stream, MaxLen: maxLen, Values: []any{"data", "x"}})
		}
		return nil
	})
	require.NoError(r.t, err)
}

func (r *rig) group(start string) {
	r.t.Helper()
	require.NoError(r.t, r.redis.XGroupCreateMkStream(r.ctx, r.in.Stream, r.in.Group, start).Err())
}

func TestTheDoctorFindsNothingAtASoundRedis(t *testing.T) {
	t.Parallel()
	r, _ := newSoundRig(t)
	require.Empty(t, r.examined(), "before anything is there")
	w := r.start(echo)
	r.sendTo("c", true, "fine")
	r.awaitReplies("fine")
	require.Empty(t, r.examined(), "while a worker works")
	require.NoError(t, w.stopped())
	require.Empty(t, r.examined(), "after it")
}

func TestTheDoctorWritesNothing(t *testing.T) {
	t.Parallel()
	r, _ := newSoundRig(t)
	r.examined()
	info, err := r.redis.Info(r.ctx, "persistence").Result()
	require.NoError(t, err)
	require.Equal(t, "0", parseInfo(info)["rdb_changes_since_last_save"])
}

func TestTheDoctorFindsWhatIsWrongWithTheServer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args     string
		severity Severity
		want     string
	}{
		"nothing is kept":           {"--appendonly no", Danger, "appendonly is no and save is empty: when Redis ends, all messages are gone; set appendonly yes"},
		"snapshots only":            {"--appendonly no --save 60_1000_1800_1", Warning, "up to 30m0s (save 60 1000 1800 1); set appendonly yes"},
		"fsync every second":        {"--appendfsync everysec", Notice, "appendfsync is everysec: "},
		"fsync never":               {"--appendfsync no", Warning, "appendfsync is no: "},
		"eviction of all":           {"--maxmemory 100mb --maxmemory-policy allkeys-lru", Danger, "maxmemory-policy is allkeys-lru: Redis may evict streams; set maxmemory-policy noeviction"},
		"eviction of what ends":     {"--maxmemory 100mb --maxmemory-policy volatile-ttl", Warning, "maxmemory-policy is volatile-ttl: Redis may evict locks"},
		"eviction, but no limit":    {"--maxmemory-policy allkeys-lfu", Notice, "it has no effect without maxmemory"},
		"hardly any memory is left": {"--maxmemory 1mb", Warning, "of maxmemory: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var args []string
			for _, a := range strings.Fields(test.args) {
				args = append(args, strings.ReplaceAll(a, "_", " "))
			}
			r, _ := newSoundRig(t, args...)
			r.finds(test.severity, test.want)
		})
	}
	t.Run("memory is limited and free", func(t *testing.T) {
		t.Parallel()
		r, _ := newSoundRig(t, "--maxmemory", "100mb", "--maxmemory-policy", "noeviction")
		require.Empty(t, r.examined())
	})
}

// What a healthy server can't show.
func TestTheDoctorReadsWhatTheServerTells(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		info, config string
		look         func(*serverFacts) []Finding
		severity     Severity
		want         string
	}{
		"the append-only file fails":  {"aof_enabled:1 aof_last_write_status:err", "", (*serverFacts).persistence, Danger, "the append-only file: Redis can't write it"},
		"settings are not told":       {"aof_enabled:0", "", (*serverFacts).persistence, Warning, "appendonly is no: a crash of Redis loses what came after its last snapshot;"},
		"min-replicas are not told":   {"role:master connected_slaves:1", "", (*serverFacts).replication, Notice, "replication is asynchronous: "},
		"min-replicas without a lag":  {"role:master connected_slaves:1", "min-replicas-to-write:1 min-replicas-max-lag:0", (*serverFacts).replication, Warning, "nothing bounds that"},
		"a replica that takes writes": {"role:slave master_host:h master_port:1 slave_read_only:0", "", (*serverFacts).replication, Danger, "replica of h:1: what is written here is lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := func(s string) map[string]string { return parseInfo(strings.ReplaceAll(s, " ", "\r\n")) }
			found := test.look(&serverFacts{lines(test.info), lines(test.config)})
			require.Len(t, found, 1)
			isFinding(t, found[0], test.severity, test.want)
		})
	}
	t.Run("the snapshot failed", func(t *testing.T) {
		t.Parallel()
		f := serverFacts{map[string]string{"aof_enabled": "0", "rdb_last_bgsave_status": "err"}, map[string]string{"save": "60 1"}}
		require.Len(t, f.persistence(), 2)
		isFinding(t, f.persistence()[1], Danger, "the last snapshot: it failed")
	})
}

func TestTheDoctorFindsReplication(t *testing.T) {
	t.Parallel()
	primary, s := newSoundRig(t)
	host, port, _ := strings.Cut(s.Addr(), ":")
	replica, _ := newSoundRig(t, "--replicaof", host+" "+port)
	replica.finds(Danger, "this Redis is a replica of "+s.Addr()+": it takes no writes; point redis.url at the primary")
	eventually(t, "the replica is there", func() bool { return len(primary.examined()) > 0 })
	primary.finds(Warning, "replication is asynchronous: ", "set min-replicas-to-write 1")
	require.NoError(t, primary.redis.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err())
	primary.finds(Notice, "replication is asynchronous: ", "for up to 10 s")
}

func TestTheDoctorKnowsTheBugsOfVersions(t *testing.T) {
	t.Parallel()
	for v, want := range map[string][]string{
		"5.0.14":      {"danger: sgstreamd needs"},
		"6.0.20":      {"danger: sgstreamd needs"},
		"6.2.5":       {"notice: it can't tell rights", "warning: XADD with MAXLEN", "warning: scripts are not held"},
		"6.2.6":       {"notice: it can't tell rights", "warning: XADD with MAXLEN", "warning: scripts are not held", "danger: a script's call"},
		"6.2.7":       {"notice: it can't tell rights"},
		"6.2.21":      {"notice: it can't tell rights"},
		"7.0.0":       {"warning: with min-replicas", "warning: XAUTOCLAIM", "warning: the append-only file"},
		"7.0.4":       {"warning: XAUTOCLAIM", "warning: the append-only file"},
		"7.0.10":      {"warning: the append-only file"},
		"7.0.11":      nil,
		"7.4.2":       nil,
		"8.2.1":       nil,
		"255.255.255": nil,
	} {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			f := serverFacts{info: map[string]string{"redis_version": v}}
			found := f.version()
			require.Len(t, found, len(want))
			for i, f := range found {
				require.Contains(t, f.Severity.String()+": "+f.Problem, want[i])
				require.Equal(t, "Redis is "+v, f.Subject)
			}
			f.info["server_name"] = "valkey"
			for _, f := range f.version() {
				require.NotContains(t, f.String(), "redis#", "a fork's version is not the one that it resembles")
			}
		})
	}
}

func TestTheDoctorsPageHasEveryBug(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/doctor.md")
	require.NoError(t, err)
	for _, b := range knownBugs() {
		_, references, ok := strings.Cut(strings.TrimSuffix(b.problem, ")"), " (")
		require.True(t, ok, "a source for %q", b.problem)
		last := b.fixed
		last[2]--
		versions := b.first.String() + " to " + last.String()
		if b.first == last {
			versions = last.String()
		}
		require.Regexp(t, `(?m)^\| `+regexp.QuoteMeta(versions)+` \|.*\| `+regexp.QuoteMeta(references)+` \|$`, string(page))
	}
}

func FuzzVersionsAndInfoAreReadWithoutPanic(f *testing.F) {
	for _, s := range []string{"7.0.15", "", "7", "a.b.c.d", "redis_version:7\r\n# x\r\n:\n", "-1.99999999999999999999.3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		facts := serverFacts{info: parseInfo(s), config: parseInfo(s)}
		facts.memory()
		facts.persistence()
		facts.replication()
		facts.info["redis_version"] = s
		facts.version()
	})
}

// newClusterRig is a rig at a Cluster of one node, which serves every slot.
func newClusterRig(t *testing.T) *rig {
	t.Helper()
	s := redistest.Start(t, append([]string{"--cluster-enabled", "yes"}, sound...)...)
	node := s.Client(t)
	require.NoError(t, node.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, slotCount-1).Err())
	eventually(t, "the cluster is up", func() bool {
		info, err := node.ClusterInfo(t.Context()).Result()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
	r := newRigAt(t, "redis+cluster://"+s.Addr())
	r.in = DefaultInbound()
	return r
}

func TestTheDoctorFindsKeysInDifferentSlots(t *testing.T) {
	t.Parallel()
	r := newClusterRig(t)
	found := r.examined()
	require.Len(t, found, 2, "one for each stream")
	isFinding(t, found[0], Warning, "sg:stream:inbound: no common hash tag (apart: sg:stream:dlq, sg:state:echo:*, sg:lock:channel:*, sg:trace:*, sg:stream:outbound:*)",
		"may be written twice", "message_key tells", "{sg}")
	isFinding(t, found[1], Warning, "sg:stream:outbound:test: no common hash tag (apart: sg:stream:dlq, sg:state:")
	require.NotContains(t, found[1].String(), "sg:lock:")

	r.in.Stream, r.out.StreamPrefix, r.dead.Stream = "{sg}:stream:inbound", "{sg}:stream:outbound", "{sg}:stream:dlq"
	r.in.Lock.Prefix, r.state.Prefix = "{sg}:lock:", "{sg}:state:"
	r.finds(Warning, "{sg}:stream:inbound: no common hash tag (apart: sg:trace:*)")
	r.in.Trace.Prefix = "{sg}:trace:"
	require.Empty(t, r.examined())
}

// A client of one node takes no other path.
func TestTheDoctorFindsKeysInDifferentSlotsBehindAURLOfOneNode(t *testing.T) {
	t.Parallel()
	r := newClusterRig(t)
	r.redco.URL = strings.Replace(r.url, "redis+cluster://", "redis://", 1)
	r.redis = r.dial(1)
	found := r.examined()
	isFinding(t, found[0], Danger, "redis.url names one node of a Cluster")
	isFinding(t, found[1], Danger, "sg:stream:inbound: other Cluster slots hold sg:stream:dlq, ", "sg:commit:sg:stream:inbound:")
}

func TestEverySlotHasATag(t *testing.T) {
	t.Parallel()
	for _, slot := range []int{0, 1, 5000, slotCount - 1} {
		require.Equal(t, slot, slotOf("sg:commit:{"+tagOf(slot)+"}:a}b{c}"))
	}
}

func TestSlotsAreThoseOfRedis(t *testing.T) {
	t.Parallel()
	r := newClusterRig(t)
	for _, key := range []string{"", "123456789", "sg:stream:inbound", "{sg}:a", "x{sg}y{no}", "{}tag", "{{sg}}", "open{tag", "\xff\x00{\xfe}"} {
		slot, err := r.redis.ClusterKeySlot(r.ctx, key).Result()
		require.NoError(t, err)
		require.EqualValues(t, slot, slotOf(key), "%q", key)
	}
}

func FuzzSlotsFollowTheHashTag(f *testing.F) {
	f.Add("sg", "a")
	f.Add("", "{")
	f.Fuzz(func(t *testing.T, tag, rest string) {
		slot := slotOf("{" + tag + "}" + rest)
		require.Less(t, slot, slotCount)
		if tag != "" && !strings.Contains(tag, "}") {
			require.True(t, sharesSlot("{"+tag+"}"+rest, slot))
		}
	})
}

func TestTheDoctorFindsRightsThatAreMissing(t *testing.T) {
	t.Parallel()
	looking := leastRights + " +info +config|get +xinfo|stream +xlen"
	for name, test := range map[string]struct {
		rights string
		want   []string
	}{
		"none is":                {looking, nil},
		"one to work":            {strings.Replace(looking, "+xack ", "", 1), []string{`danger stream "sg:stream:inbound": the Redis user may not run XACK`, `danger stream "sg:stream:outbound:test": the Redis user may not run XACK`}},
		"that to run any script": {strings.Replace(looking, "+eval +evalsha ", "", 1), []string{`danger stream "sg:stream:inbound": the Redis user lacks a right`, `danger stream "sg:stream:outbound:test": the Redis user lacks a right`}},
		"that to see the server": {strings.Replace(looking, "+info ", "", 1), []string{"notice INFO: the Redis user may not run it, so version, memory, persistence and replication could not be examined; grant +info, or"}},
		"that to see settings":   {strings.Replace(looking, "+config|get ", "", 1), []string{"notice CONFIG GET: ", "warning appendonly is no"}},
		"that to see streams":    {strings.Replace(looking, "+xinfo|stream ", "", 1), []string{"notice XINFO STREAM: the Redis user may not run it, so what was trimmed could not be examined; grant +xinfo|stream, or"}},
		"that to see lengths":    {strings.Replace(looking, " +xlen", "", 1), []string{"notice XLEN: "}},
		"that to see groups":     {strings.Replace(looking, "+xinfo|groups", "", 1), []string{`danger stream "sg:stream:inbound": the Redis user may not run XINFO GROUPS`, "notice XINFO GROUPS: ", `danger stream "sg:stream:outbound:test": the`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startAsUser(t, test.rights)
			r.in = DefaultInbound()
			require.NoError(t, r.redis.ConfigSet(t.Context(), "appendfsync", "always").Err())
			if !strings.Contains(name, "settings") {
				require.NoError(t, r.redis.ConfigSet(t.Context(), "appendonly", "yes").Err())
			}
			for _, stream := range []string{r.in.Stream, r.out.StreamOf(platform)} {
				require.NoError(t, r.redis.XGroupCreateMkStream(t.Context(), stream, r.in.Group, "0").Err())
			}
			var told []string
			for _, f := range r.examined() {
				told = append(told, f.Severity.String()+" "+f.String())
			}
			require.Len(t, told, len(test.want), "%q", told)
			for i, want := range test.want {
				require.Contains(t, told[i], want)
			}
		})
	}
}

func TestTheDoctorFindsKeysOfOtherTypes(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"sg:stream:inbound":                               "is a string, not a stream: it can't be read",
		"sg:stream:dlq":                                   "is a string, not a stream: what can't be handled stays pending",
		"sg:schedule:sg:stream:inbound:sg:workers":        "is a string, not a zset: ",
		"sg:autoclaim:audit:sg:stream:inbound:sg:workers": "is a string, not a hash: ",
		"sg:stream:outbound:test":                         "is a string, not a stream: ",
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			r, _ := newSoundRig(t)
			require.NoError(t, r.redis.Set(t.Context(), key, "x", 0).Err())
			r.finds(Danger, fmt.Sprintf("key %q %s", key, want), "rename or delete it")
		})
	}
}

func TestTheDoctorFindsThatTrimmingIsNearTheUnread(t *testing.T) {
	t.Parallel()
	r, _ := newSoundRig(t)
	r.out.MaxLen = 1000
	r.group("0")
	r.add(r.in.Stream, 799, 0)
	require.Empty(t, r.examined())
	r.add(r.in.Stream, 1, 0)
	r.finds(Danger, `group "sg:workers" of stream "sg:stream:inbound": 800 of about 1000 entries that the stream keeps are unread or pending`)
	r.readAs("peer", 800)
	r.finds(Danger, "800 of about 1000")
	r.ackAll()
	require.Empty(t, r.examined(), "what was handled may be trimmed")
}

// ackAll acknowledges all that is pending.
func (r *rig) ackAll() {
	r.t.Helper()
	all, err := r.redis.XRange(r.ctx, r.in.Stream, "-", "+").Result()
	require.NoError(r.t, err)
	for _, m := range all {
		require.NoError(r.t, r.redis.XAck(r.ctx, r.in.Stream, r.in.Group, m.ID).Err())
	}
}

func TestTheDoctorFindsWhatWasTrimmedUnread(t *testing.T) {
	t.Parallel()
	r, _ := newSoundRig(t)
	r.group("0")
	r.add(r.in.Stream, 10, 0)
	r.readAs("peer", 4)
	r.ackAll()
	require.NoError(t, r.redis.XTrimMaxLen(t.Context(), r.in.Stream, 6).Err())
	require.Empty(t, r.examined(), "only what was read is gone")
	require.NoError(t, r.redis.XTrimMaxLen(t.Context(), r.in.Stream, 3).Err())
	r.finds(Danger, "by Redis's counts, 3 entries were trimmed or deleted before the group had read them")
	require.NoError(t, r.redis.XTrimMaxLen(t.Context(), r.in.Stream, 0).Err())
	r.finds(Danger, "6 entries were trimmed")
}

func TestTheDoctorLeavesThePastAlone(t *testing.T) {
	t.Parallel()
	r, _ := newSoundRig(t)
	r.add(r.in.Stream, 10, 0)
	require.NoError(t, r.redis.XTrimMaxLen(t.Context(), r.in.Stream, 8).Err())
	r.group("0")
	require.Empty(t, r.examined(), "what was trimmed before the group was there")
	r.readAs("peer", 2)
	r.ackAll()
	require.NoError(t, r.redis.XTrimMaxLen(t.Context(), r.in.Stream, 3).Err())
	r.finds(Danger, "3 entries were trimmed")
	r.readAs("peer", 3)
	r.ackAll()
	require.NoError(t, r.redis.XTrimMaxLen(t.Context(), r.in.Stream, 0).Err())
	require.Empty(t, r.examined(), "the group has caught up")
}

// The counts of a server that was a replica are not to be trusted.
func TestTheDoctorDoesNotCountAfterAFailover(t *testing.T) {
	t.Parallel()
	r, s := newSoundRig(t)
	r.group("0")
	r.add(r.in.Stream, 10, 0)
	r.readAs("peer", 4)
	r.ackAll()
	require.NoError(t, r.redis.XTrimMaxLen(t.Context(), r.in.Stream, 3).Err())
	r.finds(Danger, "3 entries were trimmed")
	host, port, _ := strings.Cut(s.Addr(), ":")
	promoted, _ := newSoundRig(t, "--replicaof", host+" "+port)
	eventually(t, "the replica has it all", func() bool {
		n, err := promoted.redis.XLen(t.Context(), r.in.Stream).Result()
		return err == nil && n == 3
	})
	require.NoError(t, promoted.redis.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err())
	require.Empty(t, promoted.examined())
}

func TestTheDoctorFindsAGroupThatBeginsAtTheEnd(t *testing.T) {
	t.Parallel()
	for start, skipped := range map[string]bool{"$": true, "0": false} {
		r, _ := newSoundRig(t)
		r.add(r.in.Stream, 5, 0)
		r.group(start)
		r.add(r.in.Stream, 2, 0)
		if !skipped {
			require.Empty(t, r.examined())
			continue
		}
		r.finds(Notice, "it begins at ", "XGROUP SETID sg:stream:inbound sg:workers 0")
	}
}

func TestTheDoctorFindsPendingEntriesThatAreGone(t *testing.T) {
	t.Parallel()
	r, _ := newSoundRig(t)
	r.group("0")
	r.add(r.in.Stream, 3, 0)
	held := r.readAs("peer", 3)
	require.Empty(t, r.examined())
	require.NoError(t, r.redis.XTrimMaxLen(t.Context(), r.in.Stream, 2).Err())
	r.finds(Danger, "its oldest pending entry, "+held[0].ID+", is no longer in the stream")
}

func TestTheDoctorFindsWhatDeadWorkersLeft(t *testing.T) {
	t.Parallel()
	r, _ := newSoundRig(t)
	r.in.Lock.TTL, r.in.Autoclaim.MinIdle = time.Millisecond, time.Hour
	r.group("0")
	r.add(r.in.Stream, 5, 0)
	for i := range 5 {
		r.readAs(fmt.Sprintf("dead\x1b%d", i), 1)
	}
	require.Empty(t, r.examined(), "they may live")
	r.in.Autoclaim.MinIdle = 2 * time.Millisecond
	eventually(t, "they have been idle for long", func() bool {
		found := r.examined()
		return len(found) == 1 && strings.Contains(found[0].Problem, "5 entries are pending")
	})
	r.finds(Notice, `"dead\x1b0", "dead\x1b1", "dead\x1b2" and 2 more`, "none, while a daemon runs")
	r.in.Autoclaim.Enabled = false
	found := r.examined()
	require.Len(t, found, 2)
	isFinding(t, found[0], Notice, `autoclaim is off for stream "sg:stream:inbound"`)
	isFinding(t, found[1], Warning, "5 entries are pending", "set autoclaim.enabled = true")
}

func TestTheDoctorFindsLocksThatOutliveTakeovers(t *testing.T) {
	t.Parallel()
	r, _ := newSoundRig(t)
	r.in.Lock.TTL = r.in.Autoclaim.MinIdle
	require.Empty(t, r.examined())
	r.in.Lock.TTL++
	r.finds(Warning, "lock.ttl (1m0.000000001s) is above autoclaim.min_idle (1m0s): ")
	r.in.Lock.Enabled = false
	require.Empty(t, r.examined())
}

func TestTheDoctorFindsThatDeadLettersWillBeTrimmed(t *testing.T) {
	t.Parallel()
	r, _ := newSoundRig(t)
	r.dead.MaxLen = 1000
	r.add(r.dead.Stream, 799, 0)
	require.Empty(t, r.examined())
	r.add(r.dead.Stream, 1, 0)
	r.finds(Warning, `dead letters "sg:stream:dlq": 800 of about 1000 that are kept`)
}

func TestTheDoctorLooksAtTheConnection(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		Embedded:                             `warning redis.url is "embedded": `,
		"redis://me:secret@redis.internal/0": "notice redis.url has no TLS: messages and the password cross the network to redis.internal",
		"redis://10.0.0.5:6379/0":            "notice redis.url has no TLS: ",
		"redis://localhost:6379/0":           "",
		"redis://127.0.0.1/0":                "",
		"redis://[::1]:6379/0":               "",
		"redis+sentinel://:secret@10.0.0.5,localhost,[fe80::1]:1/m": "notice redis.url has no TLS: messages and the password cross the network to 10.0.0.5, fe80::1 in the clear",
		"rediss+sentinel://10.0.0.5/m":                              "",
		"redis+cluster://a,b":                                       "notice redis.url has no TLS: messages and the password cross the network to a, b in",
		"redis+cluster://localhost:7000":                            "",
		"rediss://redis.internal/0":                                 "",
		"unix:///run/redis.sock":                                    "",
	} {
		found := ExamineConnection(RedisConfig{URL: url})
		if want == "" {
			require.Empty(t, found, url)
			continue
		}
		require.Len(t, found, 1, url)
		require.Contains(t, found[0].Severity.String()+" "+found[0].String(), want)
		require.NotContains(t, found[0].String(), "secret")
	}
}

func TestTheDoctorFindsThatTheURLNamesOneNodeOfACluster(t *testing.T) {
	t.Parallel()
	r, _ := newTaggedRig(t)
	r.redco.URL = "redis://" + strings.Split(strings.TrimPrefix(r.url, "redis+cluster://"), ",")[0]
	found := r.examined()
	isFinding(t, found[len(found)-1], Danger, "redis.url names one node of a Cluster: ", "write redis+cluster://")
}

// topologyFindings are what the doctor finds about sentinels and replicas.
func (r *rig) topologyFindings() []Finding {
	r.t.Helper()
	found, err := ExamineTopology(r.ctx, r.dial(1), r.redco, []WorkerConfig{
		Inbound("doctor", r.in, r.out, r.dead, r.state), Outbound("doctor", platform, r.out, r.dead, r.state),
	})
	require.NoError(r.t, err)
	return found
}

func TestTheDoctorFindsThatSentinelsCouldNotFailOver(t *testing.T) {
	t.Parallel()
	r, s, _ := newWatchedRig(t)
	r.redco.WaitReplicas, r.redco.WaitTimeout = 1, time.Second
	require.Empty(t, r.topologyFindings())
	s.KillSentinel(0)
	found := r.topologyFindings()
	require.Len(t, found, 1)
	isFinding(t, found[0], Warning, "sentinel 127.0.0.1:", "it does not help to fail over: dial tcp", "take it out of redis.url")
	s.KillSentinel(1)
	eventually(t, "the last sentinel misses the others", func() bool {
		found := r.topologyFindings()
		return len(found) == 3 && found[2].Severity == Danger
	})
	found = r.topologyFindings()
	isFinding(t, found[2], Danger, `the sentinels of "main": they could not fail over`, "NOQUORUM")
}

func TestTheDoctorFindsThatReplicasAreMissing(t *testing.T) {
	t.Parallel()
	r, s, old := newWatchedRig(t)
	r.redco.WaitReplicas, r.redco.WaitTimeout = 2, time.Second
	found := r.topologyFindings()
	require.Len(t, found, 1)
	isFinding(t, found[0], Warning, "redis.wait_replicas is 2, and 1 are connected: every commit takes 1s longer")
	s.CutReplication()
	r.redco.WaitReplicas = 0
	found = r.topologyFindings()
	require.Len(t, found, 1)
	isFinding(t, found[0], Warning, "the primary has no replica: ")
	s.RestoreReplication()
	eventually(t, "the replica is there again", func() bool { return len(r.topologyFindings()) == 0 })

	require.NoError(t, old.Do(r.ctx, "ACL", "SETUSER", "default", "-wait").Err())
	r.redco.WaitReplicas = 1
	found = r.topologyFindings()
	require.Len(t, found, 1)
	isFinding(t, found[0], Danger, "WAIT: Redis answers \"NOPERM", "grant +wait")
}

func TestTheDoctorLooksAtTheNodeThatServesTheStream(t *testing.T) {
	t.Parallel()
	r, c := newTaggedRig(t)
	node := c.NodeOf(r.in.Stream)
	for _, n := range c.Nodes {
		for name, value := range map[string]string{"appendonly": "yes", "appendfsync": "always"} {
			require.NoError(t, n.Client(t).ConfigSet(r.ctx, name, value).Err())
		}
	}
	r.in.Autoclaim, r.in.Lock.TTL = DefaultInbound().Autoclaim, DefaultInbound().Lock.TTL
	require.Empty(t, r.examined())
	found := r.topologyFindings()
	require.Len(t, found, 1, "one node serves both streams")
	isFinding(t, found[0], Warning, "node "+node.Addr()+" has no replica: ")
	require.NoError(t, node.Client(t).ConfigSet(r.ctx, "appendfsync", "no").Err())
	found = r.examined()
	require.Len(t, found, 1)
	isFinding(t, found[0], Warning, "node "+node.Addr()+": appendfsync is no: ")
}

func TestTheDoctorFindsThatAClusterIsDown(t *testing.T) {
	t.Parallel()
	r, c := newTaggedRig(t)
	node := c.NodeOf(r.in.Stream)
	for _, n := range c.Nodes {
		if n != node {
			n.Kill()
		}
	}
	eventually(t, "the node has noticed", func() bool {
		return redis.IsClusterDownError(node.Client(t).Type(r.ctx, r.in.Stream).Err())
	})
	down := slices.DeleteFunc(r.examined(), func(f Finding) bool { return f.Subject != "the Cluster is down" })
	require.Len(t, down, 1)
	isFinding(t, down[0], Danger, "start the nodes that are missing")
}

func TestTheDoctorHasNothingToSayOfOneServersTopology(t *testing.T) {
	t.Parallel()
	r, _ := newSoundRig(t)
	require.Empty(t, r.topologyFindings())
	r.redco.WaitReplicas, r.redco.WaitTimeout = 1, time.Second
	require.Len(t, r.topologyFindings(), 1)
	r.redco.URL = Embedded
	found, err := ExamineTopology(r.ctx, r.redis, r.redco, nil)
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestTheDoctorCopesWithTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRig(t)
	r.in = DefaultInbound()
	r.finds(Notice, "INFO: this server tells nothing of its version")
	r.start(echo)
	r.send("fine")
	r.awaitReplies("fine")
	r.finds(Notice, "INFO: ")
	require.NoError(t, r.redis.Set(t.Context(), r.dead.Stream, "x", 0).Err())
	require.Len(t, r.examined(), 2, "what it has is looked at")
}

func TestTheDoctorSaysThatRedisIsAway(t *testing.T) {
	t.Parallel()
	r, s := newSoundRig(t)
	s.Kill()
	_, err := Examine(r.ctx, r.redis, nil)
	require.ErrorContains(t, err, "redis: INFO: ")
}

// The lag, which the group's count is for, is what tells operators and the monitor what nobody has read.
func TestANewGroupCountsWhatItReads(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.start(echo)
	eventually(t, "the lookout waits at the empty stream", func() bool {
		return strings.Contains(r.redis.Info(r.ctx, "clients").Val(), "blocked_clients:1\r\n")
	})
	for _, content := range []string{"first", "second"} {
		r.send(content)
	}
	r.awaitReplies("first", "second")
	r.awaitNothingPending()
	groups, err := r.redis.XInfoGroups(r.ctx, r.in.Stream).Result()
	require.NoError(t, err)
	require.EqualValues(t, 2, groups[0].EntriesRead)
	require.Zero(t, groups[0].Lag)
}
