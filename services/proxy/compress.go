package proxy

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	copyBuffer  = 32 << 10
	minCompress = 1 << 10   // bytes; less is not worth it
	zstdWindow  = 256 << 10 // a browser takes 8 MiB; this is memory for each answer
	brotliLevel = 4         // beyond it each step costs much more time than it saves bytes
	brotliBits  = 18        // of the window, as that of zstd
)

// encodings are those that there are, the one that is taken of equals first.
var encodings = []string{"zstd", "br", "gzip"}

// coders are the encoders that are not in use, and copy buffers.
type coders struct{ gzip, zstd, brotli, buffers sync.Pool }

func newCoders() *coders {
	c := &coders{}
	c.buffers.New = func() any { return new([copyBuffer]byte) }
	c.gzip.New = func() any { return &coder{encoder: gzip.NewWriter(io.Discard), home: &c.gzip} }
	c.zstd.New = func() any {
		// The options are good, so there is no error.
		e, _ := zstd.NewWriter(io.Discard, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true))
		return &coder{encoder: e, home: &c.zstd}
	}
	c.brotli.New = func() any {
		e := brotli.NewWriterOptions(io.Discard, brotli.WriterOptions{Quality: brotliLevel, LGWin: brotliBits})
		return &coder{encoder: e, home: &c.brotli}
	}
	return c
}

// encoder is one that nobody uses, for a name of encodings.
func (c *coders) encoder(name string) *coder {
	switch name {
	case "zstd":
		return c.zstd.Get().(*coder)
	case "br":
		return c.brotli.Get().(*coder)
	}
	return c.gzip.Get().(*coder)
}

func (c *coders) buffer() *[copyBuffer]byte     { return c.buffers.Get().(*[copyBuffer]byte) }
func (c *coders) putBuffer(b *[copyBuffer]byte) { c.buffers.Put(b) }

type encoder interface {
	io.WriteCloser
	Reset(io.Writer)
	Flush() error
}

// A coder is an encoder that knows where it belongs.
type coder struct {
	encoder
	home *sync.Pool
}

func (c *coder) release() {
	c.Reset(io.Discard)
	c.home.Put(c)
}

// choose returns an encoder for an answer that should be compressed, and changes
// its header h accordingly; nil: it stays as it is.
func (c *coders) choose(r *http.Request, status int, h http.Header) *coder {
	if status == http.StatusNotModified && hasToken(r.Header["If-None-Match"], "W/"+h.Get("Etag")) {
		weaken(h) // as the client got it
	}
	if !compressible(status, h) {
		return nil
	}
	if !hasToken(h["Vary"], "accept-encoding") && !hasToken(h["Vary"], "*") {
		h.Add("Vary", "Accept-Encoding")
	}
	name := accepted(r.Header["Accept-Encoding"])
	if name == "" {
		return nil
	}
	h.Set("Content-Encoding", name)
	h.Del("Content-Length")
	h.Del("Accept-Ranges")
	for _, k := range []string{"Digest", "Content-Md5", "Repr-Digest", "Content-Digest"} {
		h.Del(k)
	}
	weaken(h) // other bytes than those it was made for
	return c.encoder(name)
}

func weaken(h http.Header) {
	if tag := h.Get("Etag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		h.Set("Etag", "W/"+tag)
	}
}

// compressible reports whether an answer may be compressed and is worth it.
func compressible(status int, h http.Header) bool {
	switch {
	case status < 200, status == http.StatusNoContent, status == http.StatusPartialContent, status == http.StatusNotModified:
		return false
	case h.Get("Content-Encoding") != "", h.Get("Content-Range") != "":
		return false
	case hasToken(h["Cache-Control"], "no-transform"):
		return false
	}
	length, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil {
		length = -1
	}
	if length >= 0 && length < minCompress {
		return false
	}
	t := mediaType(h.Get("Content-Type"))
	switch t {
	case "application/json", "application/javascript", "application/xml", "application/wasm", "application/x-ndjson",
		"application/vnd.ms-fontobject", "font/ttf", "font/otf", "image/bmp", "image/x-icon":
		return true
	case "text/event-stream":
		return false // each event would have to be flushed by itself
	}
	return strings.HasPrefix(t, "text/") || strings.HasSuffix(t, "+json") || strings.HasSuffix(t, "+xml")
}

func hasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// accepted is the encoding that the client likes best of those that there are:
// RFC 9110, section 12.5.3. "" is none.
func accepted(values []string) string {
	weights := map[string]float64{}
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			name, params, _ := strings.Cut(part, ";")
			q := 1.0
			if s, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q="); ok {
				if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f <= 1 { // no NaN
					q = f
				}
			}
			weights[strings.ToLower(strings.TrimSpace(name))] = q
		}
	}
	weight := func(name string) float64 {
		if q, ok := weights[name]; ok {
			return q
		}
		return weights["*"]
	}
	best := slices.MaxFunc(encodings, func(a, b string) int {
		switch qa, qb := weight(a), weight(b); {
		case qa > qb:
			return 1
		case qa < qb:
			return -1
		}
		return 0 // the first
	})
	// Who says nothing of identity takes it where there is nothing better.
	if weight(best) <= 0 || weights["identity"] > weight(best) {
		return ""
	}
	return best
}
