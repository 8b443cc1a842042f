package images_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/porticod/portico/services/images"
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

// What was signed is taken, and nothing else: not with another letter anywhere,
// another key, or more parameters.
func FuzzSignature(f *testing.F) {
	const key = "0123456789abcdef"
	for _, a := range []string{"/hills.jpg?w=333", "/a,%20b%20&%20%3Cc%3E%3F%23%25.jpg?w=3&w=4", "https://example.org/hills.jpg?sig=x&exp=1", "/%zz?w=1", "//x/y?w=1", "/hills.jpg?w=1;h=2", "/hills.jpg?w=%00&exp=-1"} {
		f.Add(a, 3, byte('x'))
	}
	svc, _ := servicetest.Open(f, kind(), "root = \""+gallery(f)+"\"\nladder = [16, 32]\nsign_key = \""+key+"\"")
	get := func(t *testing.T, address string) int {
		u, err := url.Parse(address)
		if err != nil {
			return 0
		}
		w := httptest.NewRecorder()
		r := &http.Request{Method: "GET", URL: u, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
		svc.(http.Handler).ServeHTTP(w, r.WithContext(t.Context()))
		return w.Code
	}
	f.Fuzz(func(t *testing.T, address string, at int, letter byte) {
		signed, err := images.Sign(key, address, time.Time{})
		if err != nil {
			return
		}
		u, err := url.Parse(signed)
		if err != nil {
			t.Fatalf("%q became %q: %v", address, signed, err)
		}
		if !u.Query().Has("exp") && get(t, signed) == 403 {
			t.Errorf("%q was signed and is refused: %q", address, signed)
		}
		sig := []byte(u.Query().Get("sig"))
		i := max(at, -(at+1)) % (len(sig) - 1) // the last letter has two bits without meaning
		if sig[i] == letter {
			return
		}
		sig[i] = letter
		q := u.Query()
		q.Set("sig", string(sig))
		u.RawQuery = q.Encode()
		if code := get(t, u.String()); code != 403 && code != 404 {
			t.Errorf("%q with a wrong signature: %d", u, code)
		}
	})
}
