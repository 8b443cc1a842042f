package servicetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/service"
)

// Request is http.NewRequest for a URL that is known to be good. It panics on
// another.
func Request(method, url string) *http.Request {
	req, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		panic(err)
	}
	return req
}

// do makes a request and reads the answer whole.
func (l *life) do(t *testing.T, method, path string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, l.http.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := l.http.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("%s %s: read the answer: %v", method, path, err)
	}
	return res, string(body)
}

// checkHead: HEAD is GET without the body (RFC 9110, section 9.3.2).
func checkHead(t *testing.T, s Suite) {
	if !s.Kind.Ability().Has(service.HTTP) {
		return
	}
	l := s.begin(t, NewEnv(t, s.Kind.Name(), "test"), s.Config)
	defer l.end(t)
	for _, p := range s.Paths {
		get, _ := l.do(t, http.MethodGet, p, nil)
		head, body := l.do(t, http.MethodHead, p, nil)
		if get.StatusCode >= 500 {
			t.Errorf("GET %s: %s", p, get.Status)
		}
		if head.StatusCode != get.StatusCode {
			t.Errorf("%s: HEAD says %s, GET says %s", p, head.Status, get.Status)
		}
		if body != "" {
			t.Errorf("HEAD %s has a body: %q", p, body)
		}
		for _, h := range []string{"Content-Type", "ETag", "Last-Modified", "Location", "Cache-Control"} {
			if g, h2 := get.Header.Get(h), head.Header.Get(h); g != h2 {
				t.Errorf("%s: %s is %q for GET and %q for HEAD", p, h, g, h2)
			}
		}
		if head.ContentLength >= 0 && get.ContentLength >= 0 && head.ContentLength != get.ContentLength {
			t.Errorf("%s: Content-Length is %d for GET and %d for HEAD", p, get.ContentLength, head.ContentLength)
		}
	}
}

// checkHostile sends what no well-meaning client sends. Every answer but 500 is
// good, and none may show a file of the system.
func checkHostile(t *testing.T, s Suite) {
	if !s.Kind.Ability().Has(service.HTTP) {
		return
	}
	l := s.begin(t, NewEnv(t, s.Kind.Name(), "test"), s.Config)
	defer l.end(t)
	long := "/" + strings.Repeat("a/", 8<<10)
	for _, target := range []string{
		"/../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd",
		"/..%5c..%5cetc%5cpasswd", "//etc/passwd", "/%00", "/%0d%0aX-Injected:%201", "/a%ff%fe", "/.", "/..",
		"/?" + strings.Repeat("a=b&", 2000), long, "*", "http://[::1]/../etc/passwd",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS", "BREW"} {
			l.hostile(t, method, target)
		}
	}
}

func (l *life) hostile(t *testing.T, method, target string) {
	t.Helper()
	shown := fmt.Sprintf("%s %.60s", method, target)
	c, err := dial(l.http.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", method, target)
	if err != nil {
		t.Fatalf("%s: %v", shown, err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Errorf("%s: no answer: %v", shown, err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		t.Errorf("%s: read the answer: %v", shown, err)
	}
	if res.StatusCode == http.StatusInternalServerError {
		t.Errorf("%s: %s", shown, res.Status)
	}
	if res.Header.Get("X-Injected") != "" {
		t.Errorf("%s: the target became a header of the answer", shown)
	}
	if bytes.Contains(body, []byte("root:x:0:0")) {
		t.Errorf("%s: shows /etc/passwd", shown)
	}
}

// checkStreams: a request that stays open ends soon after its context.
func checkStreams(t *testing.T, s Suite) {
	for _, stream := range s.Streams {
		l := s.begin(t, NewEnv(t, s.Kind.Name(), "test"), s.Config)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		req := stream(l.http.URL).WithContext(ctx)
		ended := make(chan error, 1)
		began := l.env.tracks()
		go func() {
			res, err := l.http.Client.Do(req)
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
			ended <- err
		}()
		if err := l.env.WaitTracked(began+1, patience); err != nil {
			t.Errorf("%s is not tracked: %v", req.URL.Path, err)
		}
		l.env.Drain(1001)
		select {
		case err := <-ended:
			if ctx.Err() != nil {
				t.Errorf("%s did not end after its drain: %v", req.URL.Path, err)
			}
		case <-ctx.Done():
			t.Errorf("%s did not end after its drain", req.URL.Path)
		}
		cancel()
		l.end(t)
	}
}

// checkRaw: a connection ends soon after its context, and with its client.
func checkRaw(t *testing.T, s Suite) {
	if !s.Kind.Ability().Has(service.Raw) {
		return
	}
	l := s.begin(t, NewEnv(t, s.Kind.Name(), "test"), s.Config)
	defer l.end(t)
	h := l.svc.(service.ConnHandler)
	t.Run("context ends", func(t *testing.T) {
		client, server := Pipe(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			// An answer shows that the conversation is under way.
			if p := l.spec.Probe(); p.Kind == service.ProbeRaw {
				_, _ = client.Write(p.Send)
				_, _ = io.ReadFull(client, make([]byte, len(p.Expect)))
			}
			cancel()
		}()
		serveAndReturn(ctx, t, h, server.(*conn))
		if _, err := io.Copy(io.Discard, client); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the client's connection stayed open")
		}
	})
	t.Run("client resets", func(t *testing.T) {
		client, server := Pipe(t)
		if err := client.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		_ = client.Close()
		serveAndReturn(t.Context(), t, h, server.(*conn))
	})
	t.Run("client leaves", func(t *testing.T) {
		client, server := Pipe(t)
		_ = client.Close()
		serveAndReturn(t.Context(), t, h, server.(*conn))
	})
}

func serveAndReturn(ctx context.Context, t *testing.T, h service.ConnHandler, c *conn) {
	t.Helper()
	c.forget = func(*conn) {}
	if err := within(patience, func() { h.ServeConn(ctx, c) }); err != nil {
		t.Fatalf("ServeConn did not return: %v", err)
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("ServeConn returned without closing its connection")
	}
}

// checkWebSocket: a WebSocket is tracked, its drain ends it with the code that
// it was given, and then it is done.
func checkWebSocket(t *testing.T, s Suite) {
	request := s.WebSocket
	if probe := MustDecode(t, s.Kind, s.Config).Probe(); request == nil && probe.Kind == service.ProbeWebSocket {
		request = func(base string) *http.Request { return Request(http.MethodGet, base+probe.Path) }
	}
	if request == nil {
		return
	}
	for _, code := range []int{1001, 1012} {
		l := s.begin(t, NewEnv(t, s.Kind.Name(), "test"), s.Config)
		req := request(l.http.URL)
		began := l.env.tracks()
		br, hangUp := l.handshake(t, req)
		if err := l.env.WaitTracked(began+1, patience); err != nil {
			t.Errorf("the WebSocket is not tracked: %v", err)
		}
		l.env.Drain(code)
		got, err := closeCode(br)
		if err != nil {
			t.Errorf("after drain(%d): %v", code, err)
		} else if got != code {
			t.Errorf("drain(%d) closed the WebSocket with %d", code, got)
		}
		hangUp()
		if err := l.env.WaitUntracked(patience); err != nil {
			t.Errorf("after drain(%d): %v", code, err)
		}
		l.end(t)
	}
}

// tracks is how much was tracked since the start.
func (e *Env) tracks() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.total
}

// handshake opens a WebSocket (RFC 6455, section 4.1).
func (l *life) handshake(t *testing.T, req *http.Request) (br *bufio.Reader, hangUp func()) {
	t.Helper()
	c, err := dial(l.http.Addr)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if err := req.Write(c); err != nil {
		t.Fatalf("send the handshake: %v", err)
	}
	br = bufio.NewReader(c)
	res, err := http.ReadResponse(br, req)
	if err != nil {
		t.Fatalf("read the handshake: %v", err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		t.Fatalf("handshake at %s: %s %s", req.URL.Path, res.Status, body)
	}
	if got := res.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("Sec-WebSocket-Accept: %q", got)
	}
	return br, func() { _ = c.Close() }
}

// closeCode reads frames until the close frame (RFC 6455, section 5.2).
func closeCode(br *bufio.Reader) (int, error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(br, head[:]); err != nil {
			return 0, fmt.Errorf("no close frame: %w", err)
		}
		size := uint64(head[1] & 0x7f)
		switch size {
		case 126:
			var b [2]byte
			if _, err := io.ReadFull(br, b[:]); err != nil {
				return 0, err
			}
			size = uint64(binary.BigEndian.Uint16(b[:]))
		case 127:
			var b [8]byte
			if _, err := io.ReadFull(br, b[:]); err != nil {
				return 0, err
			}
			size = binary.BigEndian.Uint64(b[:])
		}
		payload, err := io.ReadAll(io.LimitReader(br, int64(min(size, 16<<20))))
		if err != nil {
			return 0, err
		}
		if head[0]&0x0f == 8 {
			if len(payload) < 2 {
				return 0, errors.New("the close frame has no code")
			}
			return int(binary.BigEndian.Uint16(payload)), nil
		}
	}
}
