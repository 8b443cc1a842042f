package proxy_test

import (
	"net/url"
	"path"
	"slices"
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

// Where frames end does not depend on how the bytes are cut into pieces.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x81, 5, 'h', 'e', 'l', 'l', 'o', 0x88, 0x82, 1, 2, 3, 4, 3, 0xe8}, 3)
	f.Add([]byte{0x82, 126, 0, 2, 1, 2, 0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0x89, 0}, 9)
	f.Add([]byte{0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255}, 1)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		cut = min(max(cut, 0), len(b))
		whole := proxy.FrameEnds(b)
		if parts := proxy.FrameEnds(b[:cut], b[cut:]); !slices.Equal(whole, parts) {
			t.Errorf("%v in one piece, %v in two", whole, parts)
		}
		single := make([][]byte, len(b))
		for i := range b {
			single[i] = b[i : i+1]
		}
		if parts := proxy.FrameEnds(single...); !slices.Equal(whole, parts) {
			t.Errorf("%v in one piece, %v byte by byte", whole, parts)
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
