package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http/httpguts"
)

// memory is a connection whose client has said all it has to say. It hands it out in
// pieces of step bytes.
type memory struct {
	net.Conn
	in   *bytes.Reader
	out  bytes.Buffer
	step int
}

func (m *memory) Read(p []byte) (int, error)       { return m.in.Read(p[:min(len(p), m.step)]) }
func (m *memory) Write(p []byte) (int, error)      { return m.out.Write(p) }
func (m *memory) Close() error                     { return nil }
func (m *memory) RemoteAddr() net.Addr             { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }
func (m *memory) SetDeadline(time.Time) error      { return nil }

// A reading is what became of a stream of bytes.
type reading struct {
	requests []*http.Request
	bodies   []string
	faults   []bool // the body was not read to a good end
}

func (r *reading) take(req *http.Request) {
	b, err := io.ReadAll(req.Body)
	r.requests, r.bodies, r.faults = append(r.requests, req), append(r.bodies, string(b)), append(r.faults, err != nil)
}

func readOurs(in []byte, step int) (r reading, out string) {
	m := &memory{in: bytes.NewReader(in), step: step}
	s := &Server{
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { r.take(req) }), MaxHeader: 1 << 20,
		Context: func(net.Conn) context.Context { return context.Background() }, State: func(net.Conn, http.ConnState) {},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.ServeConn(m)
	return r, m.out.String()
}

// readTheirs reads as the server of net/http does.
func readTheirs(in []byte) (r reading) {
	br := bufio.NewReader(bytes.NewReader(in))
	posted := false
	for {
		if posted {
			for range 4 {
				if b, _ := br.Peek(1); len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
					_, _ = br.Discard(1)
				}
			}
		}
		peeked, _ := br.Peek(64 << 10)
		named := bytes.Contains(bytes.ToLower(peeked), []byte("\nhost:"))
		req, err := http.ReadRequest(br)
		if err != nil || req.ProtoMajor != 1 {
			return r
		}
		posted = req.Method == http.MethodPost
		if !named && req.ProtoAtLeast(1, 1) && req.Method != http.MethodConnect || !httpguts.ValidHostHeader(req.Host) && !strings.Contains(req.RequestURI, "://") && req.Method != http.MethodConnect {
			return r
		}
		for k := range req.Header {
			if !httpguts.ValidHeaderFieldName(k) {
				return r
			}
		}
		if e := req.Header.Get("Expect"); e != "" || req.RequestURI == "*" && req.Method == http.MethodOptions {
			return r // what comes of it is another matter
		}
		r.take(req)
		if r.faults[len(r.faults)-1] || req.Close || !req.ProtoAtLeast(1, 1) {
			return r
		}
	}
}

// An empty line after a POST does not count, however it comes in pieces.
func TestEmptyLineInPieces(t *testing.T) {
	const in = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for step := 1; step < len(in); step++ {
		if got, out := readOurs([]byte(in), step); len(got.requests) != 2 {
			t.Errorf("%d requests in pieces of %d bytes: %q", len(got.requests), step, out)
		}
	}
}

// FuzzRequests holds the reading of requests to net/http's: nothing is taken for a
// request, or for a part of one, that is not one there, however it comes in pieces.
func FuzzRequests(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a?b HTTP/1.1\nhost: x\nA: b\n c\n\nGET / HTTP/1.1\r\nHost: y\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n3;x\r\nabc\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3 \r\n \r\n\r\nabc", "CONNECT a:1 HTTP/1.1\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
		"GET http://a/b HTTP/1.1\r\nHost: x y\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nPragma: no-cache\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n A : b\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
	} {
		f.Add([]byte(s), uint8(255))
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		if len(in) > 8<<10 {
			return
		}
		ours, _ := readOurs(in, int(step)+1)
		theirs := readTheirs(in)
		for i, got := range ours.requests {
			if i >= len(theirs.requests) {
				if len(got.Header["Expect"]) > 0 || got.RequestURI == "*" && got.Method == http.MethodOptions {
					return
				}
				t.Fatalf("request %d: %s %q is none to net/http", i, got.Method, got.RequestURI)
			}
			want := theirs.requests[i]
			if got.Method != want.Method || got.RequestURI != want.RequestURI || got.Proto != want.Proto || got.Host != want.Host ||
				!reflect.DeepEqual(got.URL, want.URL) || got.ContentLength != want.ContentLength || got.Close != want.Close ||
				!reflect.DeepEqual(got.TransferEncoding, want.TransferEncoding) {
				t.Fatalf("request %d: %#v\nwant %#v", i, got, want)
			}
			if ours.faults[i] {
				return // a fault in the body ends the connection; ours sees more of them
			}
			if theirs.faults[i] || ours.bodies[i] != theirs.bodies[i] {
				t.Fatalf("body %d: %q, want %q, %v", i, ours.bodies[i], theirs.bodies[i], theirs.faults[i])
			}
			if n := want.Header["Content-Length"]; len(n) == 1 {
				n[0] = strings.Trim(n[0], " \t") // a space comes from a fold that ends the line
			}
			if !reflect.DeepEqual(got.Header, want.Header) || !reflect.DeepEqual(got.Trailer, want.Trailer) {
				t.Fatalf("header %d: %v %v\nwant %v %v", i, got.Header, got.Trailer, want.Header, want.Trailer)
			}
		}
	})
}

// FuzzAccepts is the other direction: what is a good request there is one here.
func FuzzAccepts(f *testing.F) {
	f.Add("GET", "/a?b", "A", "b", "abc")
	f.Add("POST", "/%20", "Content-Type", " text/plain\t", "")
	f.Fuzz(func(t *testing.T, method, target, name, value, body string) {
		in := []byte(method + " " + target + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + name + ": " + value + "\r\n\r\n")
		if len(in) > 8<<10 {
			return
		}
		if body != "" {
			in = append(in, "1;x\r\n"+body[:1]+"\r\n"...)
		}
		in = append(in, "0\r\n\r\n"...)
		theirs := readTheirs(in)
		ours, out := readOurs(in, 7)
		if len(theirs.requests) > 0 && !theirs.faults[0] && (len(ours.requests) == 0 || ours.faults[0]) {
			t.Fatalf("%q is refused: %s", in, out)
		}
	})
}

func TestEndOfHead(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "a": 0, "a\r\n": 0, "a\r\n\r": 0, "a\r\n\r\n": 5, "a\n\n": 3, "a\n\r\nb": 4, "a\r\nb\r\n\r\nc": 8, "\r\n\r\n": 4, "a\r\n\r\r\n": 0, "a\r\n \r\n\r\n": 8,
	} {
		for cut := range len(text) + 1 { // at once and in two pieces
			from := 0
			got := endOfHead([]byte(text[:cut]), &from)
			if got == 0 {
				got = endOfHead([]byte(text), &from)
			}
			if got != want {
				t.Errorf("%q, cut at %d: %d, want %d", text, cut, got, want)
			}
		}
	}
}

func TestFaultsHaveTheirTexts(t *testing.T) {
	if got := errNoHost.Error(); got != "400 Bad Request: missing required Host header" {
		t.Error(got)
	}
	var f *fault
	if !errors.As(error(errTooLarge), &f) || f.Error() != "431 Request Header Fields Too Large" {
		t.Error(f)
	}
}
