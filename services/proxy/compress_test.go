package proxy_test

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/porticod/portico/services/proxy"
)

func TestCompress(t *testing.T) {
	text := strings.Repeat("compressible text. ", 1000)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Etag", `"strong"`)
		body := text
		switch r.URL.Path {
		case "/stream":
			_ = http.NewResponseController(w).Flush()
		case "/short":
			body = "short"
		case "/png":
			h.Set("Content-Type", "image/png")
		case "/done":
			h.Set("Content-Encoding", "br")
		case "/part":
			h.Set("Content-Range", "bytes 0-99/1000")
			h.Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(206)
		case "/no-transform":
			h.Set("Cache-Control", "public, no-transform")
		case "/304":
			w.WriteHeader(304)
			return
		case "/204":
			w.WriteHeader(204)
			return
		}
		if r.URL.Path != "/stream" {
			h.Set("Content-Length", strconv.Itoa(len(body)))
		}
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, body)
		}
	})
	_, _, srv := open(t, one(up, func(c *proxy.Config) { c.Compress = true }))
	for _, c := range []struct{ path, accept, want, vary string }{
		{"/", "gzip, deflate, br, zstd", "zstd", "Accept-Encoding"},
		{"/", "gzip, deflate, br", "br", "Accept-Encoding"},
		{"/", "gzip, deflate", "gzip", "Accept-Encoding"},
		{"/", "gzip;q=1, zstd;q=0.5", "gzip", "Accept-Encoding"},
		{"/", "zstd;q=0, *", "br", "Accept-Encoding"},
		{"/", "zstd;q=0, br;q=0, *", "gzip", "Accept-Encoding"},
		{"/", "identity", "", "Accept-Encoding"},
		{"/", "identity, gzip;q=0.5", "", "Accept-Encoding"},
		{"/", "identity;q=0.1, gzip;q=0.5", "gzip", "Accept-Encoding"},
		{"/", "", "", "Accept-Encoding"},
		{"/stream", "zstd", "zstd", "Accept-Encoding"},
		{"/stream", "gzip", "gzip", "Accept-Encoding"},
		{"/stream", "br", "br", "Accept-Encoding"},
		{"/short", "gzip", "", ""},
		{"/png", "gzip", "", ""},
		{"/done", "gzip, br", "br", ""},
		{"/part", "gzip", "", ""},
		{"/no-transform", "gzip", "", ""},
		{"/304", "gzip", "", ""},
		{"/204", "gzip", "", ""},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			req := request(t, method, srv.URL+c.path, nil)
			if c.accept != "" {
				req.Header.Set("Accept-Encoding", c.accept)
			}
			res, body := do(t, srv, req)
			if got := res.Header.Get("Content-Encoding"); got != c.want || res.Header.Get("Vary") != c.vary {
				t.Errorf("%s %s for %q: %q, Vary %q", method, c.path, c.accept, got, res.Header.Get("Vary"))
				continue
			}
			coded := c.want != "" && c.path != "/done"
			if tag := res.Header.Get("Etag"); strings.HasPrefix(tag, "W/") != coded {
				t.Errorf("%s for %q: ETag %s", c.path, c.accept, tag)
			}
			if method == "GET" && coded && (decode(t, c.want, body) != text || len(body) > len(text)/5) {
				t.Errorf("%s for %q: %d bytes that are not the text", c.path, c.accept, len(body))
			}
		}
	}
}

// A client that has the compressed answer, with its weak tag, learns that it is
// good still under that tag.
func TestValidatedCompressedAnswer(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"strong"`)
		w.WriteHeader(http.StatusNotModified)
	})
	_, _, srv := open(t, one(up, func(c *proxy.Config) { c.Compress = true }))
	res, _ := do(t, srv, request(t, "GET", srv.URL, nil, `If-None-Match: "other", W/"strong"`))
	if res.StatusCode != 304 || res.Header.Get("Etag") != `W/"strong"` {
		t.Errorf("%s, %s", res.Status, res.Header.Get("Etag"))
	}
}

func decode(t *testing.T, encoding, body string) string {
	t.Helper()
	var r io.Reader
	var err error
	switch encoding {
	case "gzip":
		r, err = gzip.NewReader(strings.NewReader(body))
	case "br":
		r = brotli.NewReader(strings.NewReader(body))
	default:
		r, err = zstd.NewReader(strings.NewReader(body))
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What an upstream flushes is there at once, compressed too.
func TestCompressedStreamIsFlushed(t *testing.T) {
	next := make(chan struct{})
	_, _, srv := open(t, one(backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		for range 3 {
			_, _ = io.WriteString(w, `{"line":1}`+"\n")
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	}), func(c *proxy.Config) { c.Compress = true }))
	for encoding, reader := range map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"br":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
	} {
		res, err := srv.Client.Do(request(t, "GET", srv.URL, nil, "Accept-Encoding: "+encoding))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		r, err := reader(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 11)
		for range 3 {
			if _, err := io.ReadFull(r, line); err != nil || !bytes.Equal(line, []byte(`{"line":1}`+"\n")) {
				t.Fatalf("%s: %q, %v", encoding, line, err)
			}
			next <- struct{}{}
		}
	}
}
