package app_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
	"github.com/sgstreamd/sgstreamd/internal/verify"
)

// Twenty seconds of everything that verify knows, on a Redis of its own, by a fixed seed.
func TestVerifyFindsEveryPromiseKept(t *testing.T) {
	t.Parallel()
	out, errOut, code := run(t, "", "verify", "--redis", "own", "--duration", "20s", "--seed", "1", "--json")
	var report verify.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report), "%s\n%s", out, errOut)
	require.Zero(t, report.Broken(), "%s\n%v\nthe logs are in %s", report.History, report.Violations, report.Folder)
	require.Equal(t, 0, code)
	require.Greater(t, report.Sent, 1000)
	require.Equal(t, report.Sent, report.Committed+report.DeadLettered)
	require.Equal(t, report.Poison, report.DeadLettered)
	require.Positive(t, report.Poison)
	require.Empty(t, report.Failures)
	for _, f := range verify.Faults() {
		require.True(t, report.Faults[f.Name] > 0 || f.Name == "trap", "fault %s was done", f.Name)
	}
	require.Contains(t, errOut, "running for ")
}

// A check that can't fail proves nothing.
func TestVerifyReportsABrokenGuard(t *testing.T) {
	for guard, kinds := range map[string][]verify.Kind{
		"fence":     {verify.Duplicated},
		"heartbeat": {verify.Zombie},
		"order":     {verify.OutOfOrder},
	} {
		t.Run(guard, func(t *testing.T) {
			t.Parallel()
			// What a missing guard does is a matter of chance, and of a second: it has a few tries to show.
			var report verify.Report
			for seed := 4; seed < 8; seed++ {
				report = sabotage(t, guard, seed)
				if report.Broken() > 0 {
					break
				}
			}
			for _, kind := range kinds {
				require.Positive(t, report.Violations[kind], "%s: %v", kind, report.Violations)
			}
			require.NotEmpty(t, report.History)
		})
	}
}

// sabotage runs verify with workers that lack a guard.
func sabotage(t *testing.T, guard string, seed int) (report verify.Report) {
	t.Helper()
	cmd := exec.Command(built.saboteur, "verify", "--redis", "own", "--duration", "20s", "--faults", "stall",
		"--seed", strconv.Itoa(seed), "--rate", "1000", "--json")
	cmd.Env = append(os.Environ(), "SABOTAGE="+guard)
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, _ := cmd.Output()
	require.NoError(t, json.Unmarshal(out, &report), errOut.String())
	t.Cleanup(func() { _ = os.RemoveAll(report.Folder) })
	want := 0
	if report.Broken() > 0 {
		want = 1
	}
	require.Equal(t, want, cmd.ProcessState.ExitCode(), "a violation is told by the exit code, too: %s", errOut.String())
	return report
}

func TestVerifyLeavesAUsersRedisAsItWas(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	require.NoError(t, c.Set(t.Context(), "sg:verify:", "mine", 0).Err())
	untouched := func() {
		t.Helper()
		keys, err := c.Keys(t.Context(), "*").Result()
		require.NoError(t, err)
		require.Equal(t, []string{"sg:verify:"}, keys)
		clients, err := c.ClientList(t.Context()).Result()
		require.NoError(t, err)
		require.NotContains(t, clients, "sgstreamd-verify-", "no worker is left")
	}
	out, errOut, code := run(t, "", "verify", "--redis-url", r.URL(), "--duration", "5s", "--workers", "2", "--faults", "kill,cut")
	require.Equal(t, 0, code, "%s\n%s", out, errOut)
	require.Regexp(t, `(?m)^lost +0$`, out)
	require.Regexp(t, `(?m)^faults: kill 1, cut 1$`, out)
	untouched()

	p := startProcess(t, "verify", "--redis", r.URL(), "--duration", "10m")
	p.line("running for ")
	p.signal(syscall.SIGINT)
	require.Equal(t, 1, p.exit())
	p.line("sgstreamd: interrupted; nothing is left in Redis")
	untouched()
}

func TestVerifySaysWhatIsWrongWithItsFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--duration 1s":                        `flag --duration: is 1s; write 5s to 24h0m0s`,
		"--workers 0":                          `flag --workers: is 0; write 1 to 64`,
		"--rate 0":                             `flag --rate: is 0; write 1 to 100000`,
		"--order any":                          `flag --order: is "any"; write none, addressed, channel`,
		"--faults kil":                         `flag --faults: there is no fault "kil"; the faults are trap, kill,`,
		"--faults group --redis redis://h:1/0": `flag --faults: the fault "group" is only done to a Redis that verify has started itself`,
		"--redis redis://h:1/0 --redis-url x":  `--redis and --redis-url both name a Redis; remove one`,
		"--redis here":                         `redis.url is not a Redis URL`,
		"now":                                  `unknown command "now"`,
	} {
		_, errOut, code := run(t, "", append([]string{"verify"}, strings.Fields(args)...)...)
		require.Equal(t, 2, code, args)
		require.Contains(t, errOut, want, args)
		require.Equal(t, 2, strings.Count(errOut, "\n"), "one line, and where to read more: %s", errOut)
	}
	for _, several := range []string{"redis+cluster://127.0.0.1:1", "redis+sentinel://127.0.0.1:1/mymaster"} {
		_, errOut, code := run(t, "", "verify", "--redis", several)
		require.Equal(t, 1, code)
		require.Equal(t, "sgstreamd: redis.url: verify works on a single server; name one of yours, or write --redis own\n", errOut)
	}
	_, errOut, code := run(t, "", "verify", "--redis", "redis://127.0.0.1:1/0")
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "connection refused")
	require.Equal(t, 1, strings.Count(errOut, "\n"), errOut)
}
