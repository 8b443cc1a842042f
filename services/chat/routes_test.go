package chat

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/porticod/portico/services/chat/api"
)

// Every call is described, and every call that is described is there.
func TestRoutesAreThoseOfTheDescription(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]any
	}
	if err := yaml.Unmarshal(api.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	var described, routed []string
	for path, ops := range doc.Paths {
		for method := range ops {
			if method != "parameters" {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	for _, r := range new(Chat).table() {
		routed = append(routed, r.pattern)
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("described:\n%s\n\nrouted:\n%s", strings.Join(described, "\n"), strings.Join(routed, "\n"))
	}
}
