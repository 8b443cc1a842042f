package settings_test

import (
	"slices"
	"testing"

	"github.com/porticod/portico/pkg/settings"
)

func TestPaths(t *testing.T) {
	type inner struct {
		File settings.Path
		List []settings.Path
	}
	cfg := struct {
		Root   settings.Path
		Unset  settings.Path
		Text   string
		In     inner
		Far    *inner
		None   *inner
		ByName map[string]settings.Path
		hidden settings.Path
	}{
		Root: "/a", Text: "/text", In: inner{"/b", []settings.Path{"/c", "/d"}}, Far: &inner{File: "/e"},
		ByName: map[string]settings.Path{"x": "/f"}, hidden: "/hidden",
	}
	if got, want := settings.Paths(cfg), []settings.Path{"/a", "/b", "/c", "/d", "/e", "/f"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	_ = cfg.hidden
}
