package frontdoor_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/porticod/portico/internal/testkit"
)

// HTTP/2 has lengths of its own, and may carry what would end a line in HTTP/1.1:
// what is passed on must be one request, as it was meant.
func TestSmugglingFromHTTP2(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	d := testkit.Start(t, testkit.App(), fmt.Sprintf(`
data_dir = "data"
service "proxy" "app" { upstreams = ["http://%s"] }
listener "web" {
  address = "127.0.0.1:0"
  service = service.proxy.app
}
`, b.addr))
	for _, tt := range []struct {
		name   string
		fields []string // name, value; those that begin the request are there unless given
		body   string
		answer string
		behind []string
	}{
		{"plain", []string{"content-length", "2"}, "ab", "200", []string{"POST / ab"}},
		{"no length", nil, "ab", "200", []string{"POST / ab"}},
		{"length shorter than the body", []string{"content-length", "2"}, "ab" + hidden, "refused", nil},
		{"length longer than the body", []string{"content-length", "200"}, "ab", "refused", nil},
		{"length twice", []string{"content-length", "2", "content-length", "2"}, "ab", "200", []string{"POST / ab"}},
		{"length twice, different", []string{"content-length", "2", "content-length", "200"}, "ab", "refused", nil},
		{"length with a sign", []string{"content-length", "+2"}, "ab", "refused", nil},
		{"transfer-encoding", []string{"transfer-encoding", "chunked"}, "0\r\n\r\n" + hidden, "refused", nil},
		{"connection", []string{"connection", "x"}, "ab", "refused", nil},
		{"upgrade", []string{"upgrade", "h2c"}, "ab", "refused", nil},
		{"CRLF in a value", []string{"x", "a\r\nTransfer-Encoding: chunked"}, "0\r\n\r\n" + hidden, "refused", nil},
		{"LF in a value", []string{"x", "a\nContent-Length: 0"}, hidden, "refused", nil},
		{"NUL in a value", []string{"x", "a\x00b"}, "ab", "refused", nil},
		{"CRLF in a name", []string{"x: y\r\nz", "a"}, "ab", "refused", nil},
		{"colon in a name", []string{"x:y", "a"}, "ab", "refused", nil},
		{"space in a name", []string{"content-length ", "0"}, hidden, "refused", nil},
		{"capitals in a name", []string{"Content-Length", "0"}, hidden, "refused", nil},
		{"CRLF in the method", []string{":method", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET"}, "", "refused", nil},
		{"space in the method", []string{":method", "GET /smuggled HTTP/1.1"}, "", "refused", nil},
		{"CRLF in the path", []string{":path", "/a HTTP/1.1\r\nHost: x\r\n\r\nGET /smuggled"}, "", "refused", nil},
		{"space in the path", []string{":path", "/a HTTP/1.1"}, "", "200", []string{"POST /a%20HTTP/1.1"}},
		{"path without a slash", []string{":path", "a"}, "", "refused", nil},
		{"CRLF in the authority", []string{":authority", "x\r\nX: y"}, "", "refused", nil},
		{"another host", []string{"host", "y"}, "", "200", []string{"POST /"}},
		{"another scheme", []string{":scheme", "gopher"}, "", "refused", nil},
		{"scheme with a path", []string{":scheme", "http://y/smuggled?"}, "", "refused", nil},
		{"unknown pseudo-header", []string{":x", "y"}, "", "refused", nil},
		{"many fields", slices.Repeat([]string{"x", "y"}, 1000), "", "200", []string{"POST /"}},
		{"too many fields", slices.Repeat([]string{"x", "y"}, 30_000), "", "refused", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := answerHTTP2(t, d.Addr("web"), tt.fields, tt.body)
			requests, headers := b.take()
			if got != tt.answer || !slices.Equal(requests, tt.behind) {
				t.Errorf("answer %q, behind %#v", got, requests)
			}
			if all := strings.ToLower(strings.Join(headers, "")); strings.Contains(all, "upgrade") {
				t.Errorf("an upgrade was passed on: %q", all)
			}
		})
	}
}

// answerHTTP2 sends one request over HTTP/2 and returns the status, or
// "refused" for a 400 or where the stream or the connection was ended.
func answerHTTP2(t *testing.T, addr string, fields []string, body string) string {
	t.Helper()
	c := dial(t, addr)
	defer c.Close()
	send(t, c, http2.ClientPreface)
	fr := http2.NewFramer(c, c)
	if err := fr.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	enc.SetMaxDynamicTableSize(0)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/"}} {
		if i := slices.Index(fields, f[0]); i >= 0 && i%2 == 0 {
			f[1] = fields[i+1]
			fields = slices.Delete(slices.Clone(fields), i, i+2)
		}
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	for i := 0; i < len(fields); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	first := block.Next(16 << 10)
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndHeaders: block.Len() == 0, EndStream: body == ""})
	for block.Len() > 0 {
		part := block.Next(16 << 10)
		_ = fr.WriteContinuation(1, block.Len() == 0, part)
	}
	if body != "" {
		_ = fr.WriteData(1, true, []byte(body))
	}
	dec := hpack.NewDecoder(4096, nil)
	for {
		f, err := fr.ReadFrame()
		if timeout(err) {
			t.Fatal("no answer")
		}
		if err != nil {
			return "refused"
		}
		switch f := f.(type) {
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return "refused"
		case *http2.HeadersFrame:
			fields, err := dec.DecodeFull(f.HeaderBlockFragment())
			if err != nil || len(fields) == 0 {
				t.Fatalf("header of the answer: %v %v", fields, err)
			}
			if fields[0].Value == "400" {
				return "refused" // whether it or the end of the stream comes first is chance
			}
			return fields[0].Value
		}
	}
}
