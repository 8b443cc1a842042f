package http1_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// handler answers in many ways; the path says in which.
func handler(t *testing.T) http.HandlerFunc {
	file := filepath.Join(t.TempDir(), "file.txt")
	if err := os.WriteFile(file, []byte(strings.Repeat("0123456789abcdef", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		switch r.URL.Path {
		case "/echo":
			b, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %q %q %d %v %v %q %v %v", r.Method, r.RequestURI, r.Host, r.Proto, r.ContentLength, r.TransferEncoding, r.Header, b, err != nil, r.Trailer)
		case "/empty":
		case "/status":
			code, _ := strconv.Atoi(r.URL.Query().Get("code"))
			w.WriteHeader(code)
			_, err := io.WriteString(w, "text")
			if errors.Is(err, http.ErrBodyNotAllowed) != (code == 204 || code == 304) {
				t.Errorf("status %d: %v", code, err)
			}
		case "/fields":
			h["X-Lower"], h["x-raw"], h["bad name"] = []string{"a", " b ", "c\r\nd"}, []string{"raw"}, []string{"no"}
			h["Date"], h["Content-Type"] = []string{"yesterday"}, nil
			io.WriteString(w, "text")
			h.Set("X-Late", "late")
		case "/late":
			w.WriteHeader(200)
			h.Set("X-Late", "late")
			io.WriteString(w, "text")
		case "/large":
			n, _ := strconv.Atoi(r.URL.Query().Get("n"))
			if r.URL.Query().Has("length") {
				h.Set("Content-Length", r.URL.Query().Get("length"))
			}
			for part := strings.Repeat("x", 1000); n > 0; n -= len(part) {
				if _, err := io.WriteString(w, part[:min(n, len(part))]); err != nil && !errors.Is(err, http.ErrContentLength) && !errors.Is(err, http.ErrBodyNotAllowed) {
					t.Error(err)
				}
			}
		case "/flush":
			w.(http.Flusher).Flush()
			io.WriteString(w, "one")
			w.(http.Flusher).Flush()
			io.WriteString(w, "two")
		case "/trailer":
			h.Set("Trailer", "X-One, X-Two, Content-Length")
			io.WriteString(w, "body")
			h.Set("X-One", "1")
			h.Set("Content-Length", "7")
			h.Set(http.TrailerPrefix+"X-Three", "3")
			w.(http.Flusher).Flush()
		case "/unannounced":
			w.(http.Flusher).Flush()
			io.WriteString(w, "body")
			h.Set(http.TrailerPrefix+"X-Three", "3")
			h.Add(http.TrailerPrefix+"X-Three", "4")
		case "/coding":
			h.Set("Transfer-Encoding", r.URL.Query().Get("te"))
			if r.URL.Query().Has("length") {
				h.Set("Content-Length", "4")
			}
			io.WriteString(w, "text")
		case "/close":
			h.Set("Connection", r.URL.Query().Get("as"))
			io.WriteString(w, "text")
		case "/file":
			http.ServeFile(w, r, file)
		case "/interim":
			h.Set("Link", "</a>")
			h.Set("Content-Length", "4")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusProcessing)
			io.WriteString(w, "text")
		case "/unread":
			io.WriteString(w, "not read")
		case "/half":
			_, _ = io.ReadFull(r.Body, make([]byte, 3))
			io.WriteString(w, "half read")
		case "/closed":
			_ = r.Body.Close()
			_, err := r.Body.Read(make([]byte, 1))
			fmt.Fprint(w, err)
		case "/abort":
			io.WriteString(w, "text")
			panic(http.ErrAbortHandler)
		case "/encoded":
			h.Set("Content-Encoding", "br")
			io.WriteString(w, "<html>")
		case "/html":
			io.WriteString(w, "<html>")
		case "/continue":
			w.WriteHeader(http.StatusContinue)
			b, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%q %v", b, err)
		case "/copy":
			h.Set("Content-Length", "6")
			n, err := io.Copy(w, strings.NewReader("<html>"))
			if n != 6 && r.Method != http.MethodHead || err != nil {
				t.Errorf("%d bytes copied, %v", n, err)
			}
		case "/duplex":
			_ = http.NewResponseController(w).EnableFullDuplex()
			w.(http.Flusher).Flush()
			b, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%q %v", b, err)
		case "/deadline":
			c := http.NewResponseController(w)
			_, _ = c.SetReadDeadline(time.Now().Add(patience)), c.SetWriteDeadline(time.Now().Add(patience))
			io.WriteString(w, "text")
		default:
			http.NotFound(w, r)
		}
	}
}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }

func post(path, fields, body string) string {
	if fields != "" {
		fields = strings.ReplaceAll(fields, "|", "\r\n") + "\r\n"
	}
	return "POST " + path + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" + body
}

var chunked = "Transfer-Encoding: chunked"

// exchanges are sent to both servers, each followed by one more request.
var exchanges = []string{
	get("/empty"), get("/status?code=204"), get("/status?code=304"), get("/status?code=404"), get("/status?code=299"), get("/status?code=999"),
	get("/fields"), get("/late"), get("/html"), get("/encoded"), get("/flush"), get("/trailer"), get("/unannounced"), get("/interim"), get("/copy"), get("/deadline"),
	get("/large?n=100"), get("/large?n=100000"), get("/large?n=100&length=100"), get("/large?n=100000&length=100000"),
	get("/large?n=3000&length=2000"), get("/large?n=1000&length=2000"),
	get("/coding?te=chunked"), get("/coding?te=identity"), get("/coding?te=chunked&length=4"), get("/coding?te=identity&length=4"),
	get("/close?as=close"), get("/close?as=Close"), get("/close?as=keep-alive"), get("/close?as=close,+x"), get("/close?as=x,+close"),
	get("/file"), get("/none"), get("/abort"), get("/empty") + get("/html"), get("/large?n=5000") + get("/file") + get("/empty"),
	"HEAD /empty HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /html HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /large?n=100000 HTTP/1.1\r\nHost: x\r\n\r\n",
	"HEAD /file HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /large?n=10&length=10 HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /copy HTTP/1.1\r\nHost: x\r\n\r\n",
	"HEAD /flush HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /coding?te=chunked HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=5-9\r\n\r\n", "GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=1000-90000\r\n\r\n",
	"GET /html HTTP/1.0\r\n\r\n", "GET /html HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /large?n=100000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"GET /large?n=9000&length=9000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /flush HTTP/1.0\r\n\r\n", "GET /trailer HTTP/1.0\r\n\r\n",
	"GET /status?code=304 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HEAD /html HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"GET /close?as=keep-alive HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /empty HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
	"GET /html HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /html HTTP/1.1\r\nHost: x\r\nConnection: x, CLOSE\r\n\r\n",
	"GET /html HTTP/1.1\r\nHost: x\r\nConnection: x\r\nConnection: close\r\n\r\n", "GET /html HTTP/1.7\r\nHost: x\r\n\r\n",
	post("/echo", "Content-Length: 5", "hello"), post("/echo", "Content-Length: 0", ""), post("/echo", "", ""), post("/echo", chunked, "5\r\nhello\r\n0\r\n\r\n"),
	post("/echo", chunked+"|Trailer: X-A, x-b", "5;ext=1 \r\nhello\r\n00\r\nX-A: 1\r\nX-C: 3\r\n\r\n"), post("/echo", chunked+"|Trailer: Content-Length", "0\r\n\r\n"),
	post("/echo", "Trailer: X-A", ""), post("/echo", chunked, "5\r\nhel"), post("/echo", "Content-Length: 50", "hel"),
	post("/echo", "Content-Length: 5|Content-Length: 5", "hello"), post("/echo", "Content-Length: 5|Content-Length: 6", "hello"),
	post("/echo", chunked, "5\r\nhelloX0\r\n\r\n"), post("/echo", chunked, "5\nhello\r\n0\r\n\r\n"), post("/echo", chunked, "g\r\n"), post("/echo", chunked, "\r\n"),
	post("/echo", chunked, "0\r\nX\r\n\r\n"), post("/echo", chunked, "0\r\n X: 1\r\n\r\n"), post("/echo", chunked, "0\r\nX: 1\r\n 2\r\n\r\n"),
	post("/echo", chunked, "0\r\nX: "+strings.Repeat("x", 5000)+"\r\n\r\n"), post("/echo", chunked, "1;"+strings.Repeat("x", 5000)+"\r\na\r\n0\r\n\r\n"),
	post("/echo", chunked, strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\na\r\n", 100)+"0\r\n\r\n"), post("/echo", chunked, strings.Repeat("1\r\na\r\n", 5000)+"0\r\n\r\n"),
	post("/unread", "Content-Length: 5", "hello"), post("/unread", "Content-Length: 100000", strings.Repeat("x", 100000)), post("/unread", chunked, "5\r\nhello\r\n0\r\n\r\n"),
	post("/half", "Content-Length: 5", "hello"), post("/half", chunked, "5\r\nhello\r\n0\r\n\r\n"), post("/closed", "Content-Length: 5", "hello"),
	post("/unread", "Content-Length: 300000", strings.Repeat("x", 300000)), post("/unread", chunked, "50000\r\n"+strings.Repeat("x", 0x50000)+"\r\n0\r\n\r\n"),
	post("/unread", chunked, "zz\r\n"), post("/duplex", "Content-Length: 5", "hello"), post("/duplex", chunked, "5\r\nhello\r\n0\r\n\r\n"),
	post("/echo", "Expect: 100-continue|Content-Length: 5", "hello"), post("/echo", "Expect: 100-CONTINUE|"+chunked, "5\r\nhello\r\n0\r\n\r\n"),
	post("/unread", "Expect: 100-continue|Content-Length: 5", "hello"), post("/continue", "Expect: 100-continue|Content-Length: 5", "hello"),
	post("/echo", "Expect: something", ""), post("/empty", "Expect: 100-continue", ""), post("/html", "", "") + "\r\n" + get("/html"),
	"POST /html HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n\r\n", "GET /html HTTP/1.1\r\nHost: x\r\n\r\n\r\n",
	"OPTIONS /echo HTTP/1.1\r\nHost: x\r\n\r\n", "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET http://y/echo?a=b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /echo?a%20b=%zz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /ec%68o HTTP/1.1\r\nHost: x\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET //echo HTTP/1.1\r\nHost: x\r\n\r\n", "GET /echo?a#b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /echo? HTTP/1.1\r\nHost: x\r\n\r\n", "GET /echo?\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
	"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT /echo HTTP/1.1\r\n\r\n", "GET echo HTTP/1.1\r\nHost: x\r\n\r\n", "G/T /echo HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /echo HTTP/1.1\r\n\r\n", "GET /echo HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "GET /echo HTTP/1.1\r\nHost:\r\n\r\n", "GET /echo HTTP/1.1\r\nHost: a b\r\n\r\n",
	"GET /echo HTTP/1.1\r\nHost : x\r\n\r\n", "GET /echo HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", "GET /echo HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", "GET /echo HTTP/1.1\r\nHost: x\r\nA\r\n\r\n",
	"GET /echo HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\td \r\n\r\n", "GET /echo HTTP/1.1\r\n Host: x\r\n\r\n", "GET /echo HTTP/1.1\r\nHost: x\r\nA: \x7f\r\n\r\n",
	"GET /echo HTTP/1.1\nHost: x\n\n", "GET /echo HTTP/1.1\r\nHost: x\r\nx-lower: 1\r\nX-Lower: 2\r\nPragma: no-cache\r\n\r\n", "GET /echo HTTP/2.0\r\nHost: x\r\n\r\n", "GET /echo HTTP/0.9\r\n\r\n",
	"GET /echo\r\n\r\n", "\r\n\r\n", "GET /echo HTTP/1.1\r\nHost: x\r\n", "GET /echo HTTP", "nonsense\r\n", "GET /echo HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 100_000) + "\r\n\r\n",
	post("/echo", "Transfer-Encoding: gzip", "x"), post("/echo", chunked+"|"+chunked, "x"), post("/echo", "Transfer-Encoding:", ""), post("/echo", "Content-Length:", ""),
	post("/echo", chunked+"|Content-Length: 5", "5\r\nhello\r\n0\r\n\r\n"), "POST /echo HTTP/1.0\r\n" + chunked + "\r\nContent-Length: 2\r\n\r\nab",
	post("/echo", "Content-Length: -1", ""), post("/echo", "Content-Length: 0x1", ""), post("/echo", "Content-Length: 9223372036854775808", ""),
}

const last = "GET /html?last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

// What is on the wire is what net/http puts there.
func TestSameAsNetHTTP(t *testing.T) {
	t.Parallel()
	h := handler(t)
	ours, theirs := serve(t, h).ln.Addr().String(), serveTheirs(t, h)
	for _, e := range exchanges {
		t.Run(fmt.Sprintf("%.60q", e), func(t *testing.T) {
			t.Parallel()
			var methods []string
			for line := range strings.SplitSeq(e, "\r\n") {
				if strings.Contains(line, " HTTP/") {
					method, _, _ := strings.Cut(line, " ")
					methods = append(methods, method)
				}
			}
			got, want := said(t, ours, e+last, methods), said(t, theirs, e+last, methods)
			if got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// What is not the same is better.
func TestNotAsNetHTTP(t *testing.T) {
	t.Parallel()
	addr := serve(t, handler(t)).ln.Addr().String()
	for text, want := range map[string]string{
		get("/large?n=4096"):                 "200 OK length 4096",
		get("/large?n=10&length=-1"):         "200 OK length 10",
		get("/large?n=10&length=x"):          "200 OK length 10",
		get("/coding?te=gzip"):               "200 OK length -1 [chunked]",
		"PRI * HTTP/2.0\r\n\r\nnonsense\r\n": "505 HTTP Version Not Supported: unsupported protocol version",
		post("/echo", chunked, "0\r\nX: 1\n\n") + get("/html") + get("/html"): `200 OK length 58`, // and the answer is the last
	} {
		if got := said(t, addr, text, nil); !strings.HasPrefix(got, "HTTP/1.1 "+want) || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("%.60q: %s", text, got)
		}
	}
}
