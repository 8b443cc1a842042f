package echo

import (
	"io"
	"net/http"
	"strconv"
)

const about = "This is an echo service of portico.\n" +
	"Send a body (POST, PUT, any method) and it comes back. Open a WebSocket and messages come back.\n" +
	"On a listener that takes raw connections, bytes come back: try nc.\n"

// ServeHTTP sends back the body of the request, as it arrives. GET and HEAD are
// told what this is; a WebSocket handshake is taken up.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if wantsWebSocket(r) {
		s.serveWebSocket(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	// What comes back was chosen by whoever sent it: it must not act in the name
	// of this origin.
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		_, _ = io.Copy(io.Discard, r.Body) // an answer before the end of a request resets its stream (RFC 9113 section 8.1)
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Content-Length", strconv.Itoa(len(about)))
		_, _ = io.WriteString(w, about)
		return
	}
	h.Set("Content-Type", "application/octet-stream")
	for _, name := range []string{"Content-Type", "Content-Encoding"} {
		if v := r.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	if r.ContentLength >= 0 {
		h.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	// Without this net/http reads a body to its end before the first byte of the
	// answer. HTTP/2 does not know it and does not need it.
	_ = http.NewResponseController(w).EnableFullDuplex()
	if _, err := io.Copy(flusher{w}, r.Body); err != nil {
		// The promised length cannot be kept: the client must see that.
		panic(http.ErrAbortHandler)
	}
}

// flusher sends each piece on its way at once, so that a client that waits for
// an answer before it goes on gets one. It hides ReadFrom on purpose.
type flusher struct{ w http.ResponseWriter }

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil {
		err = http.NewResponseController(f.w).Flush()
	}
	return n, err
}
