package upstream

import (
	"fmt"
	"maps"
	"slices"

	"github.com/porticod/portico/pkg/settings"
)

const (
	maxUpstreams = 256  // choosing looks at each
	maxWeight    = 1000 // products of weights and leases stay small
)

// Problems returns what is wrong with the options upstreams and weights of a
// service block, for people. parse is ParseRaw or ParseHTTP.
func Problems(upstreams []string, weights map[string]int, parse func(string) (Address, error)) (errs []error) {
	wrong := func(attr, summary, format string, args ...any) {
		errs = append(errs, &settings.Error{Attr: attr, Summary: summary, Detail: fmt.Sprintf(format, args...)})
	}
	if len(upstreams) == 0 {
		wrong("upstreams", "There is no upstream", "Name one server at least.")
	}
	if len(upstreams) > maxUpstreams {
		wrong("upstreams", "There are too many upstreams", "%d are the limit; put a balancer of its own in front of so many.", maxUpstreams)
	}
	seen := map[Address]bool{}
	for _, s := range upstreams {
		a, err := parse(s)
		switch {
		case err != nil:
			wrong("upstreams", "This is not an upstream", "%q: %v.", s, err)
		case seen[a]:
			wrong("upstreams", "An upstream is there twice", "%q comes a second time. For a larger share write weights = { %q = 2 }.", s, a)
		}
		seen[a] = true
	}
	for _, s := range slices.Sorted(maps.Keys(weights)) {
		if a, err := parse(s); err != nil || !seen[a] {
			wrong("weights", "A weight for no upstream", "%q is not among the upstreams.", s)
		}
		if w := weights[s]; w < 1 || w > maxWeight {
			wrong("weights", "The weight is out of range", "%q has %d; give a weight from 1 to %d. To give it nothing, take it out of the upstreams.", s, w, maxWeight)
		}
	}
	return errs
}

// Targets are the upstreams of options that have no Problems.
func Targets(upstreams []string, weights map[string]int, parse func(string) (Address, error)) []Target {
	heavy := map[Address]int{}
	for s, w := range weights {
		if a, err := parse(s); err == nil {
			heavy[a] = w
		}
	}
	var targets []Target
	for _, s := range upstreams {
		if a, err := parse(s); err == nil {
			targets = append(targets, Target{Address: a, Weight: max(heavy[a], 1)})
		}
	}
	return targets
}
