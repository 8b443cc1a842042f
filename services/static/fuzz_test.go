package static_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/services/servicetest"
)

// Whatever is asked for, what lies outside and what is hidden stays so.
func FuzzRequest(f *testing.F) {
	root := f.TempDir() + "/root"
	for name, body := range map[string]string{
		"/index.html": "home", "/a.js": "script", "/a.js.br": "small", "/.env": "HIDDEN", "/d/.git/x": "HIDDEN", "/../out": "OUTSIDE",
	} {
		write(f, filepath.Join(root, name), body)
	}
	svc, _ := servicetest.Open(f, kind, fmt.Sprintf("root = %q\nbrowse = true\nspa = true\nprecompressed = true", root))
	for _, seed := range []string{"/", "/a.js", "/d/", "/d", "//d", "/../out", "/%2e%2e/out", "/.env", "/d/.git/x", "/a.js/..", "/x%00y"} {
		f.Add(seed, "br;q=0.1, *;q=0", "bytes=0-1,-1")
	}
	f.Fuzz(func(t *testing.T, target, accept, ranges string) {
		head := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %s\r\nRange: %s\r\n\r\n", target, accept, ranges)
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		svc.(http.Handler).ServeHTTP(w, req.WithContext(t.Context()))
		if w.Code >= 500 {
			t.Errorf("%q: %d", target, w.Code)
		}
		if bytes.Contains(w.Body.Bytes(), []byte("HIDDEN")) || bytes.Contains(w.Body.Bytes(), []byte("OUTSIDE")) {
			t.Errorf("%q shows %q", target, w.Body)
		}
		if to := w.Header().Get("Location"); strings.HasPrefix(to, "//") || strings.Contains(to, "://") {
			t.Errorf("%q is sent to another host: %q", target, to)
		}
	})
}
