package host

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/sgstreamd/sgstreamd/abi"
)

// configuration is what sgs_configure receives, as JSON: an empty object where the operator has set nothing.
func (p *Plugin) configuration() ([]byte, error) {
	if len(p.cfg.Config) == 0 {
		return []byte("{}"), nil
	}
	if _, ok := p.compiled.module.ExportedFunctions()[abi.ExportConfigure]; !ok {
		return nil, fmt.Errorf("plugins.%s.config is set, but the module takes no configuration (it lacks the export %s); remove the table", p.name, abi.ExportConfigure)
	}
	doc, err := json.Marshal(withPoints(p.cfg.Config))
	if err != nil {
		return nil, fmt.Errorf("plugins.%s.config: %w", p.name, err)
	}
	return doc, nil
}

// withPoints sees to it that a whole float, such as TOML's 1.0, is written with a point: without one it would
// reach the guest as an integer.
func withPoints(v any) any {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && !math.IsInf(v, 0) {
			return json.Number(strconv.FormatFloat(v, 'f', 1, 64))
		}
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = withPoints(e)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = withPoints(e)
		}
		return l
	}
	return v
}
