package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Override is a variable of the fleet's that counts for nothing.
type Override struct {
	// Variable is its name, such as "SG_WORKER_GROUP".
	Variable string
	// Key is the key that it would set, such as "inbound.group".
	Key string
}

// Overridden returns those of the fleet's variables that are set and that the file gives another value than
// theirs, in the order of their names. It says nothing of mistakes: Load does.
func Overridden(s Source) []Override {
	fleet := newLoader()
	fleet.fleet(s.Environ)
	all := newLoader()
	all.fleet(s.Environ)
	all.rest(s)
	var overridden []Override
	variables := fleetVariables()
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		key := variables[name]
		path := strings.ReplaceAll(key, ".", delim)
		if s.File == "" || fleet.origins[key] == "" || all.origins[key] != s.File {
			continue
		}
		if !reflect.DeepEqual(fleet.merged.Get(path), all.merged.Get(path)) {
			overridden = append(overridden, Override{Variable: name, Key: key})
		}
	}
	return overridden
}
