package consumer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// validated is a table of the configuration with its defaults.
type validated struct {
	redis RedisConfig
	in    InboundConfig
	out   OutboundConfig
	dead  DeadLettersConfig
	state StateConfig
	drain DrainConfig
}

func defaults() *validated {
	return &validated{DefaultRedis(), DefaultInbound(), DefaultOutbound(), DefaultDeadLetters(), DefaultState(), DefaultDrain()}
}

func (v *validated) errors() []error {
	return []error{v.redis.Validate(), v.in.Validate(), v.out.Validate(), v.dead.Validate(), v.state.Validate(), v.drain.Validate()}
}

func TestTheDefaultsAreValid(t *testing.T) {
	t.Parallel()
	for _, err := range defaults().errors() {
		require.NoError(t, err)
	}
}

func TestAValueThatCannotBeIsRefusedWithItsKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mistake func(v *validated)
		key     string // what the one error begins with
	}{
		"a URL of something else":          {func(v *validated) { v.redis.URL = "http://h" }, "url is not a Redis URL"},
		"a URL that does not parse":        {func(v *validated) { v.redis.URL = "redis://:hunter2@h:x" }, "url is not a Redis URL"},
		"a certificate without its key":    {func(v *validated) { v.redis.TLS.CertFile = "c" }, "tls.cert_file and tls.key_file go together"},
		"a key without its certificate":    {func(v *validated) { v.redis.TLS.KeyFile = "k" }, "tls.cert_file and tls.key_file go together"},
		"a negative number of replicas":    {func(v *validated) { v.redis.URL, v.redis.WaitReplicas = "redis://h", -1 }, "wait_replicas is -1"},
		"replicas without end":             {func(v *validated) { v.redis.URL, v.redis.WaitReplicas = "redis://h", 101 }, "wait_replicas is 101"},
		"replicas of the embedded server":  {func(v *validated) { v.redis.WaitReplicas = 1 }, "wait_replicas is 1, and the embedded Redis has no replicas"},
		"a wait of no time":                {func(v *validated) { v.redis.URL, v.redis.WaitReplicas, v.redis.WaitTimeout = "redis://h", 1, 0 }, "wait_timeout is 0s"},
		"a wait without end":               {func(v *validated) { v.redis.URL, v.redis.WaitReplicas, v.redis.WaitTimeout = "redis://h", 1, time.Hour }, "wait_timeout is 1h0m0s"},
		"no inbound stream":                {func(v *validated) { v.in.Stream = "" }, "stream is empty"},
		"no inbound group":                 {func(v *validated) { v.in.Group = "" }, "group is empty"},
		"no processor":                     {func(v *validated) { v.in.Processor = "" }, "processor is empty"},
		"nothing in flight":                {func(v *validated) { v.in.MaxInFlight = 0 }, "max_in_flight is 0"},
		"too much in flight":               {func(v *validated) { v.in.MaxInFlight = 100_001 }, "max_in_flight is 100001"},
		"no attempt":                       {func(v *validated) { v.in.MaxAttempts = 0 }, "max_attempts is 0"},
		"too many attempts":                {func(v *validated) { v.in.MaxAttempts = 1001 }, "max_attempts is 1001"},
		"no state prefix":                  {func(v *validated) { v.state.Prefix = "" }, "prefix is empty"},
		"a tiny payload":                   {func(v *validated) { v.in.MaxPayload = 1 }, "max_payload is 1B"},
		"a payload beyond Redis":           {func(v *validated) { v.in.MaxPayload = 1 << 40 }, "max_payload is 1TiB"},
		"a negative wait":                  {func(v *validated) { v.in.Retry.Base = -1 }, "retry.base is -1ns"},
		"a wait that shrinks":              {func(v *validated) { v.in.Retry.Factor = 0 }, "retry.factor is 0"},
		"a wait that leaps":                {func(v *validated) { v.in.Retry.Factor = 101 }, "retry.factor is 101"},
		"a cap below the base":             {func(v *validated) { v.out.Retry.Cap = time.Second }, "retry.cap is 1s"},
		"a cap beyond a month":             {func(v *validated) { v.out.Retry.Cap = 721 * time.Hour }, "retry.cap is 721h0m0s"},
		"more jitter than wait":            {func(v *validated) { v.in.Retry.Jitter = 101 }, "retry.jitter is 101"},
		"sweeps without a pause":           {func(v *validated) { v.in.Autoclaim.Interval = 0 }, "autoclaim.interval is 0s"},
		"idle for no time":                 {func(v *validated) { v.in.Autoclaim.MinIdle = 0 }, "autoclaim.min_idle is 0s"},
		"idle for no time, without sweeps": {func(v *validated) { v.in.Autoclaim = AutoclaimConfig{} }, "autoclaim.min_idle is 0s"},
		"an empty page":                    {func(v *validated) { v.in.Autoclaim.PageSize = 0 }, "autoclaim.page_size is 0"},
		"a huge page":                      {func(v *validated) { v.in.Autoclaim.PageSize = 10_001 }, "autoclaim.page_size is 10001"},
		"no audit key":                     {func(v *validated) { v.in.Autoclaim.AuditKey = "" }, "autoclaim.audit_key is empty"},
		"an audit that expires at once":    {func(v *validated) { v.in.Autoclaim.AuditTTL = time.Millisecond }, "autoclaim.audit_ttl is 1ms"},
		"no lock prefix":                   {func(v *validated) { v.in.Lock.Prefix = "" }, "lock.prefix is empty"},
		"a lock too short":                 {func(v *validated) { v.in.Lock.TTL = 99 * time.Millisecond }, "lock.ttl is 99ms"},
		"no trace prefix":                  {func(v *validated) { v.in.Trace.Prefix = "" }, "trace.prefix is empty"},
		"a trace too short":                {func(v *validated) { v.in.Trace.TTL = 0 }, "trace.ttl is 0s"},
		"a platform without a name":        {func(v *validated) { v.out.Platforms = []string{""} }, "platforms holds an empty name"},
		"a platform twice":                 {func(v *validated) { v.out.Platforms = []string{"a", "a"} }, `platforms names "a" twice`},
		"an adapter of no platform":        {func(v *validated) { v.out.Adapters = map[string]string{"a": "x"} }, "adapters.a names a platform that is not in platforms"},
		"an adapter without a name": {func(v *validated) {
			v.out.Platforms, v.out.Adapters = []string{"a"}, map[string]string{"a": ""}
		}, "adapters.a is empty"},
		"no stream prefix":            {func(v *validated) { v.out.StreamPrefix = "" }, "stream_prefix is empty"},
		"no outbound group":           {func(v *validated) { v.out.Group = "" }, "group is empty"},
		"a stream below the fleet's":  {func(v *validated) { v.out.MaxLen = 999 }, "max_len is 999"},
		"nothing outbound in flight":  {func(v *validated) { v.out.MaxInFlight = -1 }, "max_in_flight is -1"},
		"no dead letters":             {func(v *validated) { v.dead.Stream = "" }, "stream is empty"},
		"too few dead letters":        {func(v *validated) { v.dead.MaxLen = 10 }, "max_len is 10"},
		"a drain that ended long ago": {func(v *validated) { v.drain.Timeout = -time.Second }, "timeout is -1s"},
	} {
		v := defaults()
		c.mistake(v)
		told := []string{}
		for _, err := range v.errors() {
			if err != nil {
				told = append(told, err.Error())
			}
		}
		require.Len(t, told, 1, name)
		require.Regexp(t, "^"+c.key, told[0], name)
		require.NotContains(t, told[0], "\n", name)
		require.NotContains(t, told[0], "hunter2", name)
	}
}

func TestWhatIsTurnedOffNeedNotBeConfigured(t *testing.T) {
	t.Parallel()
	in := DefaultInbound()
	in.Enabled, in.Processor = false, ""
	in.Lock, in.Trace = LockConfig{}, TraceConfig{}
	in.Autoclaim = AutoclaimConfig{MinIdle: time.Minute}
	require.NoError(t, in.Validate())
}

func TestGroupsAndAdaptersOfAPlatform(t *testing.T) {
	t.Parallel()
	out := DefaultOutbound()
	require.Equal(t, "sg:stream:outbound:discord", out.StreamOf("discord"))
	require.Equal(t, "stargazer_gateways", out.GroupOf("discord"))
	require.Equal(t, "discord", out.AdapterOf("discord"))
	out.Group, out.Adapters = "sg:gateway:{platform}", map[string]string{"discord": "other"}
	require.Equal(t, "sg:gateway:discord", out.GroupOf("discord"))
	require.Equal(t, "other", out.AdapterOf("discord"))
}

func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	require.NotEqual(t, Name(), Name())
	require.Regexp(t, `^sgstreamd-.+-\d+-[A-Z2-7]{8}$`, Name())
}

func TestTheLeastIDAfterAnother(t *testing.T) {
	t.Parallel()
	for id, next := range map[string]string{
		"0-0": "0-1", "17-3": "17-4", "17-18446744073709551615": "18-0", "17-9007199254740993": "17-9007199254740994",
	} {
		require.Equal(t, next, idAfter(id))
	}
}
