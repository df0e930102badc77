package admin_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/internal/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, ready admin.Readiness) *admin.Server {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "there", Help: "Is there."}))
	s, err := admin.Start(admin.Config{Listen: "127.0.0.1:0"}, r, ready)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return s
}

func get(t *testing.T, s *admin.Server, method, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, nil)
	require.NoError(t, err)
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestReadinessNamesEveryReasonOnALineOfItsOwn(t *testing.T) {
	t.Parallel()
	s := serve(t, func(context.Context) ([]error, []error) {
		return []error{errors.New("redis: away"), errors.Join(errors.New("one"), errors.New("two"))}, []error{errors.New("a remark")}
	})
	status, body := get(t, s, http.MethodGet, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "not ready\nredis: away\none; two\na remark\n", body)
}

func TestRemarksKeepNoTrafficAway(t *testing.T) {
	t.Parallel()
	s := serve(t, func(context.Context) ([]error, []error) { return nil, []error{errors.New("a remark")} })
	status, body := get(t, s, http.MethodGet, "/readyz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ready\na remark\n", body)
}

func TestTheDaemonIsHealthyAsLongAsItAnswers(t *testing.T) {
	t.Parallel()
	s := serve(t, func(context.Context) ([]error, []error) { return []error{errors.New("not ready")}, nil })
	status, body := get(t, s, http.MethodGet, "/healthz")
	require.Equal(t, http.StatusOK, status, body)
	status, body = get(t, s, http.MethodGet, "/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "there 0\n")
	status, _ = get(t, s, http.MethodGet, "/other")
	require.Equal(t, http.StatusNotFound, status)
}

func TestAnAddressInUseIsNamed(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	_, err := admin.Start(admin.Config{Listen: s.Addr()}, prometheus.NewRegistry(), nil)
	require.ErrorContains(t, err, `admin.listen = "`+s.Addr()+`"`)
}

func TestConfigNamesABadAddress(t *testing.T) {
	t.Parallel()
	require.NoError(t, (&admin.Config{}).Validate(), "empty turns the server off")
	require.ErrorContains(t, (&admin.Config{Listen: "9464"}).Validate(), `listen is "9464", not host:port`)
}
