package static_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/porticod/portico/services/servicetest"
)

// BenchmarkFile is a small file through the handler alone, beside the standard
// library's.
func BenchmarkFile(b *testing.B) {
	root := filepath.Join(b.TempDir(), "root")
	write(b, root+"/a/b/page.html", "<p>small")
	svc, _ := servicetest.Open(b, kind, fmt.Sprintf("root = %q", root))
	for name, h := range map[string]http.Handler{"portico": svc.(http.Handler), "net/http": http.FileServer(http.Dir(root))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", "/a/b/page.html", nil))
				if w.Code != 200 {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
