package frontdoor_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
)

const hidden = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

// A smuggling is bytes that two servers in a row may take for a different number
// of requests.
type smuggling struct {
	name, bytes string
	answers     string // statuses, in order
	behind      []string
}

func post(fields, body string) string {
	return "POST / HTTP/1.1\r\nHost: x\r\n" + strings.ReplaceAll(fields, "|", "\r\n") + "\r\n\r\n" + body
}

func fields(f string) string {
	return "GET /a HTTP/1.1\r\nHost: x\r\n" + f + "\r\n\r\n"
}

var smugglings = []smuggling{
	{"CL and TE", post("Content-Length: 6|Transfer-Encoding: chunked", "0\r\n\r\n"+hidden), "200", []string{"POST /"}},
	{"TE and CL", post("Transfer-Encoding: chunked|Content-Length: 4", "5\r\nabcde\r\n0\r\n\r\n"+hidden), "200", []string{"POST / abcde"}},
	{"TE twice", post("Transfer-Encoding: chunked|Transfer-Encoding: chunked", "0\r\n\r\n"+hidden), "501", nil},
	{"TE twice, the second unknown", post("Content-Length: 4|Transfer-Encoding: chunked|Transfer-Encoding: x", "0\r\n\r\n"+hidden), "501", nil},
	{"TE in a list", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"+hidden), "501", nil},
	{"TE chunked first", post("Transfer-Encoding: chunked, identity", "0\r\n\r\n"+hidden), "501", nil},
	{"TE identity", post("Content-Length: 2|Transfer-Encoding: identity", "ab"+hidden), "501", nil},
	{"TE unknown", post("Content-Length: 2|Transfer-Encoding: xchunked", "ab"+hidden), "501", nil},
	{"TE with a space before the colon", post("Content-Length: 2|Transfer-Encoding : chunked", "ab"+hidden), "400", nil},
	{"TE with a tab before the value", post("Transfer-Encoding:\tchunked", "0\r\n\r\n"+hidden), "200", []string{"POST /"}},
	{"TE with a vertical tab", post("Content-Length: 2|Transfer-Encoding: \x0bchunked", "ab"+hidden), "400", nil},
	{"TE in capitals", post("TRANSFER-ENCODING: CHUNKED", "0\r\n\r\n"+hidden), "200", []string{"POST /"}},
	{"TE with a long s", post("Content-Length: 2|Tran\u017ffer-Encoding: chunked", "ab"+hidden), "400", nil},
	{"TE with an underscore", post("Content-Length: 2|Transfer_Encoding: chunked", "ab"), "200 200", []string{"POST / ab", "GET /last"}},
	{"TE folded", post("Content-Length: 2|Transfer-Encoding:| chunked", "ab"+hidden), "400", nil},
	{"TE quoted", post("Content-Length: 2|Transfer-Encoding: \"chunked\"", "ab"+hidden), "501", nil},
	{"TE empty", post("Content-Length: 2|Transfer-Encoding:", "ab"+hidden), "501", nil},
	{"TE behind a bare LF", post("Content-Length: 2|X: y\nTransfer-Encoding: chunked", "0\r\n\r\n"), "200", []string{"POST /"}},
	{"TE behind a bare CR", post("Content-Length: 2|X: y\rTransfer-Encoding: chunked", "ab"+hidden), "400", nil},
	{"TE in HTTP/1.0", "POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + hidden, "200", []string{"POST /"}},
	{"CL and TE in HTTP/1.0", "POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nab" + hidden, "200", []string{"POST / ab"}},
	{"CL twice, the same", post("Content-Length: 2|Content-Length: 2", "ab"), "200 200", []string{"POST / ab", "GET /last"}},
	{"CL twice, different", post("Content-Length: 2|Content-Length: 35", "ab"+hidden), "400", nil},
	{"CL in a list", post("Content-Length: 2, 2", "ab"+hidden), "400", nil},
	{"CL with a sign", post("Content-Length: +2", "ab"+hidden), "400", nil},
	{"CL negative", post("Content-Length: -2", "ab"+hidden), "400", nil},
	{"CL in hexadecimal", post("Content-Length: 0x2", "ab"+hidden), "400", nil},
	{"CL with a space within", post("Content-Length: 1 2", "ab"+hidden), "400", nil},
	{"CL with an underscore", post("Content-Length: 0_2", "ab"+hidden), "400", nil},
	{"CL empty", post("Content-Length:", hidden), "400", nil},
	{"CL too large", post("Content-Length: 18446744073709551618", "ab"+hidden), "400", nil},
	{"CL before a space", post("Content-Length : 2", "ab"+hidden), "400", nil},
	{"CL of a GET", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n" + hidden, "200 200", []string{"GET /a GET /smuggled HTTP/1.1\r\nHost: x", "GET /last"}},
	{"CL shorter than the body", post("Content-Length: 2", "abXGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"), "200 200 200", []string{"POST / ab", "XGET /smuggled", "GET /last"}},
	{"CL longer than the body", post("Content-Length: 200", "ab"), "waits 400", nil},
	{"chunk too large for 64 bits", post("Transfer-Encoding: chunked", "10000000000000002\r\nab\r\n0\r\n\r\n"+hidden), "400", nil},
	{"chunk with a sign", post("Transfer-Encoding: chunked", "+2\r\nab\r\n0\r\n\r\n"+hidden), "400", nil},
	{"chunk in 0x", post("Transfer-Encoding: chunked", "0x2\r\nab\r\n0\r\n\r\n"+hidden), "400", nil},
	{"chunk extension", post("Transfer-Encoding: chunked", "2;a=b\r\nab\r\n0;c\r\n\r\n"), "200", []string{"POST / ab"}},
	{"chunk extension with a bare LF", post("Transfer-Encoding: chunked", "2;a\nab\r\n0\r\n\r\n"+hidden), "400", nil},
	{"chunk extension with a bare CR", post("Transfer-Encoding: chunked", "2;a\rb\r\nab\r\n0\r\n\r\n"+hidden), "400", nil},
	{"chunk extensions, many", post("Transfer-Encoding: chunked", strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\na\r\n", 100)+"0\r\n\r\n"), "400", nil},
	{"chunk size ends with a bare LF", post("Transfer-Encoding: chunked", "2\nab\r\n0\r\n\r\n"+hidden), "400", nil},
	{"chunk longer than said", post("Transfer-Encoding: chunked", "2\r\nabcd\r\n0\r\n\r\n"+hidden), "400", nil},
	{"chunk with spaces", post("Transfer-Encoding: chunked", "2 \r\nab\r\n0\r\n\r\n"), "200", []string{"POST / ab"}},
	{"chunks without an end", post("Transfer-Encoding: chunked", "2\r\nab\r\n"), "400", nil},
	{"trailer", post("Transfer-Encoding: chunked|Trailer: X", "0\r\nX: y\r\n\r\n"), "200", []string{"POST /"}},
	{"trailer with a length", post("Transfer-Encoding: chunked", "0\r\nContent-Length: 35\r\n\r\n"+hidden), "200", []string{"POST /"}},
	{"bare LF everywhere", "GET /a HTTP/1.1\nHost: x\n\n", "200 200", []string{"GET /a", "GET /last"}},
	{"bare CR for an end", "GET /a HTTP/1.1\rHost: x\r\r" + hidden, "400", nil},
	{"bare CR in a value", fields("X: a\rb"), "400", nil},
	{"NUL in a value", fields("X: a\x00b"), "400", nil},
	{"NUL in a name", fields("X\x00Y: a"), "400", nil},
	{"NUL in the target", "GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"a tab in a name", fields("X\tY: a"), "400", nil},
	{"a space before the colon", fields("X : a"), "400", nil},
	{"no colon", fields("X"), "400", nil},
	{"an empty name", fields(": a"), "400", nil},
	{"obs-fold", fields("X: a\r\n b"), "200 200", []string{"GET /a", "GET /last"}},
	{"a space before the first field", "GET /a HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n", "400", nil},
	{"no Host", "GET /a HTTP/1.1\r\n\r\n", "400", nil},
	{"an empty Host", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", "200 200", []string{"GET upstream/a", "GET /last"}},
	{"two Hosts", "GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400", nil},
	{"a bad Host", "GET /a HTTP/1.1\r\nHost: x/y z\r\n\r\n", "400", nil},
	{"a Host with a user", "GET /a HTTP/1.1\r\nHost: x@y\r\n\r\n", "400", nil},
	{"absolute form, another Host", "GET http://x/a HTTP/1.1\r\nHost: y\r\n\r\n", "200 200", []string{"GET /a", "GET /last"}},
	{"absolute form with a user", "GET http://u:p@x/a HTTP/1.1\r\nHost: x\r\n\r\n", "200 200", []string{"GET /a", "GET /last"}},
	{"authority form", "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n" + hidden, "400", nil},
	{"a target without a slash", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"a target with a space", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"two slashes", "GET //y/a HTTP/1.1\r\nHost: x\r\n\r\n", "200 200", []string{"GET //y/a", "GET /last"}},
	{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "200 200", []string{"GET /last"}},
	{"a method in lower case", "get /a HTTP/1.1\r\nHost: x\r\n\r\n", "200 200", []string{"get /a", "GET /last"}},
	{"a bad method", "G@T(/a HTTP/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"HTTP/0.9", "GET /a\r\n\r\n" + hidden, "400", nil},
	{"HTTP/1.2", "GET /a HTTP/1.2\r\nHost: x\r\n\r\n", "200 200", []string{"GET /a", "GET /last"}},
	{"HTTP/2.0", "GET /a HTTP/2.0\r\nHost: x\r\n\r\n", "505", nil},
	{"HTTP/3.0", "GET /a HTTP/3.0\r\nHost: x\r\n\r\n", "505", nil},
	{"HTTP/1.01", "GET /a HTTP/1.01\r\nHost: x\r\n\r\n", "400", nil},
	{"http/1.1 in lower case", "GET /a http/1.1\r\nHost: x\r\n\r\n", "400", nil},
	{"upgrade to h2c", fields("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"), "200 200", []string{"GET /a", "GET /last"}},
	{"upgrade to something", fields("Connection: Upgrade\r\nUpgrade: foo"), "200 200", []string{"GET /a", "GET /last"}},
	{"Connection names Content-Length", post("Connection: Content-Length|Content-Length: 2", "ab"), "200 200", []string{"POST / ab", "GET /last"}},
	{"Connection names Transfer-Encoding", post("Connection: Transfer-Encoding|Transfer-Encoding: chunked", "2\r\nab\r\n0\r\n\r\n"), "200", []string{"POST / ab"}},
	{"Connection names Host", fields("Connection: Host"), "200 200", []string{"GET /a", "GET /last"}},
	{"an expectation", post("Content-Length: 2|Expect: 100-continue", "ab"), "100 200 200", []string{"POST / ab", "GET /last"}},
	{"an unknown expectation", post("Content-Length: 2|Expect: 200-ok", "ab"+hidden), "417", nil},
	{"an expectation without a body", fields("Expect: 100-continue"), "200 200", []string{"GET /a", "GET /last"}},
	{"pipelined", fields("X: y") + fields("X: z"), "200 200 200", []string{"GET /a", "GET /a", "GET /last"}},
	{"an empty line before", "\r\n" + fields("X: y"), "400", nil},
	{"a header too large", fields("X: " + strings.Repeat("x", 128<<10)), "431", nil},
	{"too many fields", fields(strings.Repeat("X: y\r\n", 30_000) + "X: y"), "431", nil},
	{"many fields", fields(strings.Repeat("X: y\r\n", 1000) + "X: y"), "200 200", []string{"GET /a", "GET /last"}},
	{"a target too long", "GET /" + strings.Repeat("x", 128<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431", nil},
}

func TestSmuggling(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	d := testkit.Start(t, testkit.App(), fmt.Sprintf(`
data_dir = "data"
service "echo" "raw" {}
service "proxy" "app" { upstreams = ["http://%s"] }
listener "direct" {
  address = "127.0.0.1:0"
  service = service.proxy.app
}
listener "split" {
  address = "127.0.0.1:0"
  service = service.proxy.app
  route {
    protocol = "ssh"
    service  = service.echo.raw
  }
}
`, b.addr))
	for _, l := range []string{"direct", "split"} {
		addr := d.Addr(l)
		for _, s := range smugglings {
			t.Run(l+"/"+s.name, func(t *testing.T) {
				got := answers(t, addr, s.bytes, strings.Contains(s.answers, "waits"))
				requests, headers := b.take()
				if got != s.answers || !slices.Equal(requests, s.behind) {
					t.Errorf("answers %q, behind %#v", got, requests)
				}
				for _, h := range headers {
					if l := strings.ToLower(h); strings.Contains(l, "upgrade") || strings.Contains(l, "http2-settings") {
						t.Errorf("an upgrade was passed on: %q", h)
					}
				}
			})
		}
	}
}

// last ends a connection that is still good.
const last = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

// answers sends text, then one more request, and returns the statuses of the
// answers until the connection was closed. Where waits, it is expected to wait for
// the rest of a body; else that is waited for in vain.
func answers(t *testing.T, addr, text string, waits bool) string {
	t.Helper()
	c := dial(t, addr)
	defer c.Close()
	_, _ = io.WriteString(c, text+last) // it may be closed midway
	var got []string
	if waits {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
	}
	for br := bufio.NewReader(c); ; {
		if _, err := br.Peek(1); timeout(err) {
			// It waits for the rest of a body: there is none.
			got = append(got, "waits")
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
			_ = c.SetReadDeadline(time.Now().Add(patience))
		}
		res, err := http.ReadResponse(br, nil)
		if timeout(err) {
			t.Error("the connection was not closed")
		}
		if err != nil {
			return strings.Join(got, " ")
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		got = append(got, fmt.Sprint(res.StatusCode))
	}
}
