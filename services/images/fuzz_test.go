package images_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/porticod/portico/services/servicetest"
)

// Whatever is asked for, nobody gets out of the folder, and no answer is the
// server's fault.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{"hills.jpg", "more/glass.png", "", "more/", "../outside.jpg", ".hidden.jpg", "a\x00b", "healthz"} {
		for _, q := range []string{"", "w=320", "w=1&h=2&fit=cover&dpr=2&q=5&fmt=png", "sig=x", "limit=3&after=a", "v=1", "w=%zz"} {
			f.Add(s, q, "application/json")
		}
	}
	root := gallery(f)
	svc, _ := servicetest.Open(f, kind(), "root = \""+root+"\"\nladder = [16, 32]\nsign_key = \"0123456789abcdef\"")
	f.Fuzz(func(t *testing.T, path, query, accept string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "/" + path, RawQuery: query}, Header: http.Header{"Accept": {accept}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
		w := httptest.NewRecorder()
		svc.(http.Handler).ServeHTTP(w, r.WithContext(t.Context()))
		if w.Code >= 500 {
			t.Errorf("%q ? %q: %d %s", path, query, w.Code, w.Body)
		}
		if bytes.Contains(w.Body.Bytes(), []byte(root)) {
			t.Errorf("%q ? %q tells where the folder is", path, query)
		}
	})
}

func BenchmarkHotVersion(b *testing.B) {
	s := serve(b, gallery(b), "")
	s.get("/hills.jpg?w=320")
	h := s.svc.(http.Handler)
	r := httptest.NewRequest("GET", "/hills.jpg?w=320", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
