package proxy_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/porticod/portico/services/proxy"
)

// Whatever the client's path, the upstream's is a path, begins as the rules say,
// and does not climb out of that.
func FuzzRewritePath(f *testing.F) {
	for _, p := range []string{"/", "/api", "/api/x", "/%61pi/..", "/api%2f..%2fx", "//a//b", "/api/%2e%2e/x", "/%", "/api/a%00b", "/apix"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.ParseRequestURI(raw)
		if err != nil || !strings.HasPrefix(u.Path, "/") {
			return
		}
		in := u.EscapedPath()
		for _, c := range [][2]string{{"/api", ""}, {"", "/v2{path}"}, {"/api", "/v2/x{path}"}, {"/a/b", "{path}"}} {
			out, ok := proxy.RewritePath(c[0], c[1], in)
			if !ok {
				continue
			}
			begin, _, _ := strings.Cut(c[1], "{path}")
			decoded, err := url.PathUnescape(out)
			if err != nil || !strings.HasPrefix(out, begin+"/") {
				t.Errorf("%v makes %q of %q: %v", c, out, in, err)
			}
			// As an upstream would resolve it that takes %2F for what it is.
			segs := strings.Split(out, "/")
			for i, s := range segs {
				segs[i], _ = url.PathUnescape(s)
				segs[i] = strings.ReplaceAll(segs[i], "/", "_")
			}
			if clean := path.Clean(strings.Join(segs, "/")); clean != begin && !strings.HasPrefix(clean, begin+"/") {
				t.Errorf("%v makes %q of %q, which leads to %s", c, out, in, clean)
			}
			if strings.ContainsAny(out, "?# \r\n") {
				t.Errorf("%v makes %q of %q", c, out, in)
			}
			_ = decoded
		}
	})
}

func FuzzAcceptEncoding(f *testing.F) {
	f.Add("gzip;q=0.5, zstd;q=0")
	f.Add("*;q=0, , ;q=1")
	f.Fuzz(func(t *testing.T, v string) {
		if got := proxy.Accepted(v); got != "" && !strings.Contains(strings.ToLower(v), got) && !strings.Contains(v, "*") {
			t.Errorf("%q accepts %q", v, got)
		}
	})
}
