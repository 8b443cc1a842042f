package ratelimit_test

import (
	"maps"
	"testing"

	"github.com/porticod/portico/pkg/ratelimit"
)

func TestTally(t *testing.T) {
	tally := ratelimit.NewTally[string](2)
	for _, key := range []string{"a", "b", "a", "c", "b", "a"} { // c is one too many
		tally.Add(key)
	}
	if got := tally.Take(); !maps.Equal(got, map[string]int{"a": 3, "b": 2}) {
		t.Errorf("%v", got)
	}
	tally.Add("c")
	if got := tally.Take(); !maps.Equal(got, map[string]int{"c": 1}) || len(tally.Take()) != 0 {
		t.Errorf("after it was taken: %v", got)
	}
	var none *ratelimit.Tally[string]
	none.Add("a")
	if got := none.Take(); got != nil {
		t.Errorf("none: %v", got)
	}
}
