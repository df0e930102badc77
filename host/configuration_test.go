package host

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWholeFloatsStayFloats(t *testing.T) {
	t.Parallel()
	doc, err := json.Marshal(withPoints(map[string]any{
		"float": 1.0, "int": int64(1), "half": 0.5, "large": 1e21, "list": []any{2.0, map[string]any{"deep": -3.0}},
	}))
	require.NoError(t, err)
	require.Equal(t, `{"float":1.0,"half":0.5,"int":1,"large":1000000000000000000000.0,"list":[2.0,{"deep":-3.0}]}`, string(doc))
}
