package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCachePath(t *testing.T) {
	t.Parallel()
	home, err := os.UserCacheDir()
	require.NoError(t, err)
	for dir, want := range map[string]string{
		"": filepath.Join(home, "sgstreamd"), CacheOff: "", "/var/cache/x": "/var/cache/x",
	} {
		got, err := (&Plugins{CacheDir: dir}).CachePath()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0s": 0, "30s": 30 * time.Second, "10m": 10 * time.Minute, "24h": 24 * time.Hour,
		"1h10m": 70 * time.Minute, "1h0m5s": time.Hour + 5*time.Second, "1.5s": 1500 * time.Millisecond, "-1h": -time.Hour,
	} {
		require.Equal(t, want, durationText(d))
	}
}
