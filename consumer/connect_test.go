package consumer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// leastRights is all that the daemon's Redis user needs with the default keys, as docs/operations.md has it.
const leastRights = "resetchannels -@all" +
	" ~sg:stream:inbound ~sg:stream:outbound:* ~sg:stream:dlq" +
	" ~sg:commit:* ~sg:schedule:* ~sg:order:* ~sg:lanes:* ~sg:autoclaim:audit:* ~sg:lock:channel:* ~sg:trace:* ~sg:state:* ~sg:delivered:* ~sg:delivering:*" +
	" +hello +ping +eval +evalsha +type +get +mget +set +del +expire +pexpire +pexpireat +ttl +pttl +time +rename +hset +hget +hgetall +hmget +hdel +hlen +hscan +zadd +zrem +zscore +zrange +zrangebyscore +zrangebylex +zcard +zremrangebyscore +zremrangebyrank" +
	" +xadd +xread +xreadgroup +xack +xclaim +xpending +xrange +xgroup|create +xgroup|delconsumer +xgroup|setid +xinfo|consumers +xinfo|groups"

// startAsUser starts a server with a user who has these rights, and a rig whose workers are that user.
func startAsUser(t *testing.T, rights string) *rig {
	t.Helper()
	r, _ := newRig(t, append([]string{"--user", "daemon", "on", ">sesame"}, strings.Fields(rights)...)...)
	r.redco.URL = strings.Replace(r.url, "redis://", "redis://daemon:sesame@", 1)
	return r
}

func TestAUserWithTheLeastRightsCanDoAllTheWork(t *testing.T) {
	t.Parallel()
	r := startAsUser(t, leastRights)
	used := r.send("used up")
	r.readAs("crashed", 1)
	r.claimAs("crashed", used, 2*time.Hour, 3)
	tries := make(chan int64, 1000)
	w := r.start(failing(tries, abi.Verdict{Status: abi.StatusRetry, Reason: "no luck"}, nil))
	r.sendTo("c", true, "fine")
	r.send("bad")
	r.awaitReplies("fine")
	r.awaitDeadLetters(2)
	require.NotEmpty(t, r.audit(used))
	require.Equal(t, "COMPLETED", r.trace("fine")["state"])
	require.NoError(t, w.measure(r.ctx))
	require.NoError(t, w.stopped())
	require.Equal(t, []string{"crashed"}, r.consumers(), "names of another make are not ours to remove")
	log, err := r.redis.Do(r.ctx, "ACL", "LOG").Slice()
	require.NoError(t, err)
	require.Empty(t, log, "nothing was refused")
}

func TestARightThatLacksIsToldBeforeAnythingIsRead(t *testing.T) {
	// What these are for is not needed to work: another protocol version, Await, and streams that only emits name.
	spared := "resetchannels -@all +hello +ping ~sg:stream:outbound:*"
	onceRights := "~sg:delivered:* ~sg:delivering:* +hget +hgetall +zremrangebyscore +zremrangebyrank" // adapters' only
	for _, right := range strings.Fields(leastRights) {
		if strings.Contains(spared, right) {
			continue
		}
		t.Run(right, func(t *testing.T) {
			t.Parallel()
			r := startAsUser(t, strings.Replace(leastRights+" ", " "+right+" ", " ", 1))
			r.send("waits")
			var w *run
			if strings.Contains(onceRights, right) {
				w = r.startAdapter(silent(echo))
			} else {
				w = r.start(echo)
			}
			eventually(t, "the worker says why", func() bool { return w.Ready() != nil && w.Ready().Error() != "not started" })
			told := w.Ready().Error()
			require.Contains(t, told, "grant it")
			require.NotContains(t, told, "\n")
			if command, ok := strings.CutPrefix(right, "+"); ok && !strings.Contains("eval evalsha xgroup|create", command) {
				require.Contains(t, told, "may not run "+strings.ToUpper(strings.ReplaceAll(command, "|", " ")))
			}
			require.Empty(t, r.pending())
			require.NoError(t, r.redis.Do(r.ctx, "ACL", "SETUSER", "daemon", right).Err())
			eventually(t, "the worker reads its stream", func() bool { return w.Ready() == nil })
		})
	}
}

func TestAnEmitToAStreamThatTheUserMayNotWriteHarmsNoOtherMessage(t *testing.T) {
	t.Parallel()
	r := startAsUser(t, leastRights)
	r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		v := answer(m)
		if contentOf(m) == "bad" {
			v.Emits = append(v.Emits, abi.Emit{Stream: "sg:stream:secret", Payload: encode(nil)})
		}
		return v, nil
	})
	want := []string{}
	for i := range 20 {
		want = append(want, fmt.Sprint(i))
		r.send(want[i])
		if i == 10 {
			r.send("bad")
		}
	}
	r.awaitReplies(want...)
	require.Contains(t, r.awaitDeadLetters(1)[0]["error"], "NOPERM")
	r.awaitNothingPending()
}

func TestAwaitTellsOfAWrongPasswordWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--requirepass", "correct")
	for name, user := range map[string]string{"wrong": ":hunter2@", "none": ""} {
		c, err := Dial(RedisConfig{URL: "redis://" + user + s.Addr()}, 1)
		require.NoError(t, err)
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		told := make(chan error, 1000)
		done := make(chan error, 1)
		go func() { done <- Await(ctx, c, func(err error) { told <- err }) }()
		err = receive(t, told, name)
		require.Regexp(t, `WRONGPASS|NOAUTH`, err.Error())
		require.NotContains(t, err.Error(), "hunter2")
		require.NotContains(t, err.Error(), "\n")
		nothingWithin(t, 500*time.Millisecond, told, "the same reason told twice")
		cancel()
		require.ErrorIs(t, receive(t, done, "Await's return"), context.Canceled)
	}
}

func TestAwaitReturnsWhenRedisComes(t *testing.T) {
	t.Parallel()
	r, server := newRig(t)
	server.Kill()
	told, done := make(chan error, 1000), make(chan error, 1)
	go func() { done <- Await(r.ctx, r.redis, func(err error) { told <- err }) }()
	require.ErrorContains(t, receive(t, told, "the reason"), "refused")
	server.Restart()
	require.NoError(t, receive(t, done, "Await's return"))
}

func TestAUnixSocketIsARedisToo(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "sock") // t.TempDir may be too long a path for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket := filepath.Join(folder, "redis.sock")
	r, _ := newRig(t, "--unixsocket", socket)
	r.redco.URL = "unix://" + socket
	r.start(echo)
	r.send("hello")
	r.awaitReplies("hello")
}

func TestTLSWithAClientCertificate(t *testing.T) {
	t.Parallel()
	ca, cert, key := certificates(t)
	port := freePort(t)
	r, _ := newRig(t, "--tls-port", port, "--tls-ca-cert-file", ca, "--tls-cert-file", cert, "--tls-key-file", key)
	r.redco = RedisConfig{URL: "rediss://127.0.0.1:" + port, TLS: TLSConfig{CAFile: ca, CertFile: cert, KeyFile: key}}
	r.start(echo)
	r.send("hello")
	r.awaitReplies("hello")

	r.redco.TLS = TLSConfig{CertFile: cert, KeyFile: key}
	require.ErrorContains(t, Ping(r.ctx, r.dial(1)), "certificate", "an authority that nobody knows is refused")
	for name, c := range map[string]struct {
		config RedisConfig
		told   string
	}{
		"no such file":       {RedisConfig{URL: "rediss://h", TLS: TLSConfig{CAFile: "/nowhere"}}, "redis.tls.ca_file: open /nowhere"},
		"not a certificate":  {RedisConfig{URL: "rediss://h", TLS: TLSConfig{CAFile: key}}, "holds no PEM certificate"},
		"key is no key":      {RedisConfig{URL: "rediss://h", TLS: TLSConfig{CertFile: cert, KeyFile: cert}}, "redis.tls.cert_file: "},
		"a URL without TLS":  {RedisConfig{URL: "redis://h", TLS: TLSConfig{CAFile: ca}}, "the URL does not use TLS"},
		"not a URL at all":   {RedisConfig{URL: "redis://:hunter2@h:x:y"}, "redis.url is not a Redis URL"},
		"a URL of something": {RedisConfig{URL: "http://:hunter2@h"}, "redis.url is not a Redis URL"},
	} {
		_, err := Dial(c.config, 1)
		require.ErrorContains(t, err, c.told, name)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}

// certificates makes a certificate for 127.0.0.1 that is its own authority, and serves both sides.
func certificates(t *testing.T) (ca, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redistest"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	return cert, cert, key
}

func TestBlockedReadsLeaveEveryWorkerItsConnections(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	const workers = 12
	c := r.dial(workers)
	for i := range workers {
		in := r.in
		in.Stream = fmt.Sprintf("in:%d", i)
		r.startWith(Inbound(Name(), in, r.out, r.dead, r.state), c, echo)
	}
	eventually(t, "all reads are blocked", func() bool { return r.blockedClients() == workers })
	begun := time.Now()
	for i := range workers {
		_, err := Send(r.ctx, r.redis, fmt.Sprintf("in:%d", i), 0, encode(map[string]any{"content": "x"}), "")
		require.NoError(t, err)
	}
	eventually(t, "all are answered", func() bool { return len(r.replies()) == workers })
	require.Less(t, time.Since(begun), 2*time.Second, "the go-redis pool's own time-out is 4 s")
}

func TestSendIsACompleteEntry(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	id, err := Send(r.ctx, r.redis, r.in.Stream, 1000, encode(map[string]any{"content": "x"}), "tr")
	require.NoError(t, err)
	require.Equal(t, r.firstID(), id)
	e := r.entries(r.in.Stream)[0]
	require.Equal(t, string(encode(map[string]any{"content": "x"})), e["data"])
	require.Equal(t, "tr", e["trace_id"])
	require.Regexp(t, `^\d{10}\.\d{6}$`, e["ts"])
	require.NoError(t, r.redis.Set(r.ctx, "text", "x", 0).Err())
	_, err = Send(r.ctx, r.redis, "text", 1000, nil, "")
	require.ErrorContains(t, err, `key "text" is not a stream`)
}

// The users that the documentation tells to make can do all that the daemon needs.
func TestTheUsersOfTheDocumentationHaveTheRightsThatAreNeeded(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"operations", "doctor"} {
		text, err := os.ReadFile("../docs/" + page + ".md")
		require.NoError(t, err)
		line := regexp.MustCompile(`(?m)^    user .* -@all .*$`).FindString(string(text))
		require.NotEmpty(t, line)
		granted := strings.Fields(line)
		for _, right := range strings.Fields(leastRights) {
			command, _, _ := strings.Cut(right, "|")
			if strings.HasPrefix(right, "+") && right != "+hello" && !slices.Contains(granted, command) {
				require.Contains(t, granted, right, page)
			}
		}
	}
}
