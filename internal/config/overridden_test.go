package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOverridden(t *testing.T) {
	t.Parallel()
	file := write(t, "[inbound]\nstream = 'of the file'\ngroup = 'the same'\n[outbound]\ngroup = 'sg:gateway:{platform}'")
	environ := []string{"SG_INBOUND_STREAM=of the fleet", "SG_WORKER_GROUP=the same", "SG_OUTBOUND_STREAM_PREFIX=not in the file"}
	stream := Override{Variable: "SG_INBOUND_STREAM", Key: "inbound.stream"}
	gateways := Override{Variable: "SG_GATEWAY_GROUP_PREFIX", Key: "outbound.group"}
	for name, test := range map[string]struct {
		source Source
		want   []Override
	}{
		"no file":               {Source{Environ: environ}, nil},
		"no variable":           {Source{File: file}, nil},
		"another value":         {Source{File: file, Environ: environ}, []Override{stream}},
		"the same in the end":   {Source{File: file, Environ: []string{"SG_GATEWAY_GROUP_PREFIX=sg:gateway:"}}, nil},
		"two":                   {Source{File: file, Environ: append([]string{"SG_GATEWAY_GROUP_PREFIX=x"}, environ...)}, []Override{gateways, stream}},
		"a variable of our own": {Source{File: file, Environ: append([]string{"SGSTREAMD_INBOUND__STREAM=x"}, environ...)}, nil},
		"a flag":                {Source{File: file, Environ: environ, Flags: map[string]string{"inbound.stream": "x"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, Overridden(test.source))
		})
	}
}
