package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/config"
)

// BenchmarkLoad loads a file with 1,000 services and 1,000 listeners.
func BenchmarkLoad(b *testing.B) {
	var s strings.Builder
	s.WriteString("variable \"ip\" { default = \"127.0.0.1\" }\n")
	for i := range 1000 {
		fmt.Fprintf(&s, "service \"static\" \"s%d\" {\n  root = \"site\"\n}\n", i)
		fmt.Fprintf(&s, "listener \"l%d\" {\n  address = \"${var.ip}:%d\"\n", i, 10_000+i)
		fmt.Fprintf(&s, "  service = service.static.s%d\n  timeouts {\n    idle = \"1m\"\n  }\n}\n", i)
	}
	opt := config.InMemory(options(nil), map[string][]byte{"/c/a.hcl": []byte(s.String())})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, diags := config.Load("/c/a.hcl", opt); diags.HasErrors() {
			b.Fatal(diags)
		}
	}
}
