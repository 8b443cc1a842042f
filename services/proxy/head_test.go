package proxy_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/porticod/portico/services/proxy"
)

// What the fast way takes for an answer, net/http takes for the same one, to the
// byte; and it takes what common servers say.
func FuzzParseHead(f *testing.F) {
	for _, s := range []string{
		fine, fine + fine,
		"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\nContent-Length: 1\r\nConnection: keep-alive\r\nETag: \"a\"\r\n\r\nx",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\nextra", "HTTP/1.1 200\r\ncontent-length: 0\r\nconnection: Close\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nfine", "HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nfine",
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5\r\nContent-Length : 0\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n" + fine,
		"HTTP/1.1 200 OK\r\nX: a\r\nx: b\r\nX_y: c\r\nContent-Length: 000000000000000004\r\n\r\nfine", "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfine",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, head bool) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		status, header, length, last, n, ok := proxy.ParseHead(b, method)
		if !ok {
			return
		}
		br := bufio.NewReaderSize(bytes.NewReader(b), len(b)+16)
		res, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%q is no answer: %v", b, err)
		}
		res.Header.Del("Connection") // which it drops now and then, as we do always
		header.Del("Connection")
		if res.StatusCode != status || res.Close != last || !reflect.DeepEqual(res.Header, header) || len(res.TransferEncoding)+len(res.Trailer) > 0 {
			t.Fatalf("%q: %d %v %v instead of %d %v %v", b, status, header, last, res.StatusCode, res.Header, res.Close)
		}
		if at := len(b) - br.Buffered(); at != n {
			t.Fatalf("%q: the head has %d bytes, not %d", b, at, n)
		}
		body, err := io.ReadAll(res.Body)
		if whole := int64(len(b)-n) >= length; whole != (err == nil) || whole && int64(len(body)) != length {
			t.Fatalf("%q: a body of %d bytes, %v, instead of %d", b, len(body), err, length)
		}
	})
}

func TestParseHeadKnowsCommonAnswers(t *testing.T) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\nContent-Type: text/html\r\nContent-Length: 1024\r\n" +
			"Last-Modified: Mon, 23 Nov 2026 12:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"65-400\"\r\nAccept-Ranges: bytes\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX-Powered-By: Express\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nEtag: \"1\"\r\n\r\n", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
	} {
		if _, _, _, _, n, ok := proxy.ParseHead([]byte(s), http.MethodGet); !ok || n != len(s) {
			t.Errorf("%q takes the long way", s)
		}
	}
}

// However a header came to hold them, its bytes are not other lines.
func FuzzAppendRequest(f *testing.F) {
	f.Add("/path?query", "X", "value")
	f.Add("/ HTTP/1.1\r\nX: y", "A\r\nB", "c\r\n\r\nGET / HTTP/1.1")
	f.Add("/", "X", "a\rb\nc\x00")
	f.Fuzz(func(t *testing.T, target, name, value string) {
		b, err := proxy.AppendRequest("GET", target, "example.org", http.Header{name: {value}})
		if err != nil {
			return
		}
		if lines := strings.Split(string(b), "\r\n"); len(lines) != 5 || strings.ContainsAny(strings.Join(lines, ""), "\r\n\x00") {
			t.Errorf("%q", b)
		}
	})
}
