//go:build sabotage

package consumer

import (
	"fmt"
	"os"
	"strings"
)

// sabotaged takes the guard that SABOTAGE names out of a script. The tests of verify build the daemon so, to see
// that verify notices. No release is built with this tag.
func sabotaged(script string) string {
	orderOfCommits := []string{"is_overtaken() then", "false then"}
	breaks := map[string][]string{
		"fence": append([]string{
			"  if not p then return 'gone' end\n  if p[2] ~= consumer or p[4] ~= count then return 'fenced' end\n", "",
			"if lock and not has_lock() then return 'fenced' end", "",
			"if not same then", "if false then",
		}, orderOfCommits...),
		"heartbeat": {
			"local verdict = lost(id, count)", "local verdict",
			"else verdict = 'fenced' end", "end",
		},
		"order": append([]string{"local function is_next(lane, id)\n", "local function is_next(lane, id)\n  if true then return true end\n", "elseif not distinct and begun[lane] then", "elseif false then"}, orderOfCommits...),
	}
	guards := breaks[os.Getenv("SABOTAGE")]
	all := prelude + orderLua + readingLua + beginLua + takeLua + stateLua + commitLua + heartbeatLua
	for i := 0; i < len(guards); i += 2 {
		if !strings.Contains(all, guards[i]) {
			panic(fmt.Sprintf("SABOTAGE=%s: no script has %q any more", os.Getenv("SABOTAGE"), guards[i]))
		}
	}
	return strings.NewReplacer(guards...).Replace(script)
}
