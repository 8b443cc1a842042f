package options_test

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/lxzan/gws"
)

// option: redirect.to redirect.status
// option: respond.status respond.body respond.headers
// option: echo.max_message echo.idle_timeout
func TestSmallKinds(t *testing.T) {
	t.Parallel()
	d := start(t, `
service "redirect" "r" {
  to     = "https://{host}/moved{path}?was={query}"
  status = 302
}
service "respond" "r" {
  status  = 418
  body    = "short and stout"
  headers = { X-Pot = "tea", Content-Type = "text/x-tea" }
}
service "echo" "short" { max_message = "1KiB" }
service "echo" "brief" { idle_timeout = "100ms" }
listener "redirect" {
  address = "127.0.0.1:0"
  service = service.redirect.r
}
listener "respond" {
  address = "127.0.0.1:0"
  service = service.respond.r
}
listener "short" {
  address = "127.0.0.1:0"
  service = service.echo.short
}
listener "brief" {
  address = "127.0.0.1:0"
  service = service.echo.brief
}
`)
	a := get(t, d.URL("redirect")+"/a?b", "Host", "shop.test")
	a.is(t, http.StatusFound, "")
	a.has(t, "Location", "https://shop.test/moved/a?was=b")

	a = get(t, d.URL("respond")+"/any")
	a.is(t, http.StatusTeapot, "short and stout")
	a.has(t, "X-Pot", "tea")
	a.has(t, "Content-Type", "text/x-tea")

	if code := tooLong(t, d.Addr("short"), 1025); code != 1009 {
		t.Errorf("a message beyond max_message: %d", code)
	}

	c := dial(t, d.Addr("brief"))
	send(t, c, "x\n")
	line(t, c)
	closes(t, c)
}

// closing waits for the code that a WebSocket is closed with.
type closing struct {
	gws.BuiltinEventHandler
	code chan uint16
	said chan string
}

func (c *closing) OnMessage(_ *gws.Conn, m *gws.Message) {
	c.said <- m.Data.String()
	_ = m.Close()
}

func (c *closing) OnClose(_ *gws.Conn, err error) {
	code := uint16(0)
	if e, ok := err.(*gws.CloseError); ok {
		code = e.Code
	}
	c.code <- code
}

// webSocket opens one; fields are headers.
func webSocket(t *testing.T, addr string, fields ...string) (*gws.Conn, *closing) {
	t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(fields); i += 2 {
		h.Set(fields[i], fields[i+1])
	}
	end := &closing{code: make(chan uint16, 1), said: make(chan string, 100)}
	ws, _, err := gws.NewClient(end, &gws.ClientOption{
		Addr: "ws://" + addr, RequestHeader: h,
		NewDialer: func() (gws.Dialer, error) { return &net.Dialer{Timeout: patience}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.NetConn().Close() })
	go ws.ReadLoop()
	return ws, end
}

// tooLong sends a message of so many bytes after one that is as long as it may
// be, which comes back.
func tooLong(t *testing.T, addr string, bytesMore int) uint16 {
	t.Helper()
	ws, end := webSocket(t, addr+"/")
	fits := strings.Repeat("x", bytesMore-1)
	if err := ws.WriteString(fits); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, end.said); got != fits {
		t.Errorf("%d bytes came back", len(got))
	}
	_ = ws.WriteMessage(gws.OpcodeText, bytes.Repeat([]byte("x"), bytesMore))
	return receive(t, end.code)
}
