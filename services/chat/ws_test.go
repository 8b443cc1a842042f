package chat_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/chat"
	"github.com/porticod/portico/services/servicetest"
)

// handshake asks for a WebSocket with header and returns status, the chosen
// subprotocol and the body of a refusal.
func (w *world) handshake(header http.Header) (int, string) {
	w.t.Helper()
	return w.handshakeAt(w.http.URL, header)
}

func (w *world) handshakeAt(url string, header http.Header) (int, string) {
	w.t.Helper()
	req := servicetest.Request("GET", url+"/v1/ws")
	req.Header = http.Header{
		"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	for k, v := range header {
		if req.Header[k] = v; v == nil {
			delete(req.Header, k)
		}
	}
	res, err := w.http.Client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, res.Header.Get("Sec-Websocket-Protocol")
}

func TestHandshake(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.AllowedOrigins = []string{"https://app.example.org"} })
	a := w.join("alice")
	for _, c := range []struct {
		name     string
		header   http.Header
		status   int
		protocol string
	}{
		{"bare", nil, 101, ""},
		{"subprotocol", http.Header{"Sec-Websocket-Protocol": {"other, chat.v1.json"}}, 101, "chat.v1.json"},
		{"only others", http.Header{"Sec-Websocket-Protocol": {"chat.v2.cbor"}}, 400, ""},
		{"own origin", http.Header{"Origin": {w.http.URL}}, 101, ""},
		{"allowed origin", http.Header{"Origin": {"https://app.example.org"}}, 101, ""},
		{"other origin", http.Header{"Origin": {"https://evil.example.org"}}, 403, ""},
		{"own host, other port", http.Header{"Origin": {"http://127.0.0.1:1"}}, 403, ""},
		{"null origin", http.Header{"Origin": {"null"}}, 403, ""},
		{"two origins", http.Header{"Origin": {w.http.URL, "https://evil.example.org"}}, 403, ""},
		{"token", http.Header{"Authorization": {"Bearer " + a.token}}, 101, ""},
		{"bad token", http.Header{"Authorization": {"Bearer x"}}, 401, ""},
		{"old version", http.Header{"Sec-Websocket-Version": {"8"}}, 400, ""},
		{"no key", http.Header{"Sec-Websocket-Key": nil}, 400, ""},
		{"no upgrade", http.Header{"Upgrade": nil}, 400, ""},
	} {
		if status, protocol := w.handshake(c.header); status != c.status || protocol != c.protocol {
			t.Errorf("%s: %d %q, not %d %q", c.name, status, protocol, c.status, c.protocol)
		}
	}
}

// A handshake that Close overtakes gets its connection closed, and Close ends.
func TestHandshakeWhileTheServiceCloses(t *testing.T) {
	w := start(t, nil)
	closed := make(chan error, 1)
	srv := servicetest.HTTP(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.chat.ServeHTTP(lateHijacker{rw, func() {
			go func() { closed <- w.chat.Close() }()
			wait.Until(t, "the service closes", func() bool { status, _ := w.handshake(nil); return status == 503 })
		}}, r)
	}))
	if got, _ := w.handshakeAt(srv.URL, nil); got != 101 {
		t.Errorf("%d, not 101", got)
	}
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(late):
		t.Fatal("Close waits for ever")
	}
}

// lateHijacker has something happen before a connection is taken over.
type lateHijacker struct {
	http.ResponseWriter
	before func()
}

func (h lateHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h.before()
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

func TestFramesThatEndTheConnection(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	for _, c := range []struct {
		name string
		do   func(*gws.Conn) error
		code int
	}{
		{"binary", func(c *gws.Conn) error { return c.WriteMessage(gws.OpcodeBinary, []byte("{}")) }, 1003},
		{"bad UTF-8", func(c *gws.Conn) error { return c.WriteMessage(gws.OpcodeText, []byte("{\"id\":\"\xff\"}")) }, 1007},
		{"too large", func(c *gws.Conn) error {
			return c.WriteMessage(gws.OpcodeText, []byte(strings.Repeat(" ", 128<<10+1)))
		}, 1009},
	} {
		s := a.connect()
		if err := c.do(s.conn); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if code := s.closed(); code != c.code {
			t.Errorf("%s: closed with %d, not %d", c.name, code, c.code)
		}
	}
	if s := a.connect(); s.conn.WriteString(strings.Repeat(" ", 128<<10-2)+"{}") != nil {
		t.Error("a frame of the greatest size was refused")
	} else {
		s.send(`{"id":2,"conversations":{}}`)
		s.next("answer", func(l line) bool { return l.Conversations != nil })
	}
}

func TestTokenInTheHeaderAndBytesBehindTheHandshake(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	c, err := net.Dial("tcp", w.http.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// The first frame in the same packet as the request: the server's reader has
	// it already when the connection is taken over. {"id":1,"connect":{}} masked
	// with zeros.
	line := `{"id":1,"connect":{}}`
	frame := append([]byte{0x81, 0x80 | byte(len(line)), 0, 0, 0, 0}, line...)
	_, err = fmt.Fprintf(c, "GET /v1/ws HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n%s", a.token, frame)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(late))
	got := ""
	for buf := make([]byte, 4096); !strings.Contains(got, `"user":"alice"`); {
		n, err := c.Read(buf)
		if got += string(buf[:n]); err != nil {
			t.Fatalf("%v after %q", err, got)
		}
	}
}

func TestRevokedTokensCloseWhatTheyOpened(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	a.say(conv, "1", "x")
	stays, other := a.connect(), &person{w, "alice", ""}
	u, err := w.accounts.UserByName(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	other.token = w.token(u.ID)
	goes := other.connect()
	poll := make(chan int, 1)
	epoch, at := epochOf(other), cursorOf(other)
	go func() {
		status, _ := other.do("GET", fmt.Sprintf("/v1/events?wait=60&epoch=%s&after=%d", epoch, at), "")
		poll <- status
	}()
	waitTracked(t, w, 3)
	begun := time.Now()
	other.call("DELETE", "/v1/sessions/current", "", 204, nil)
	if code := goes.closed(); code != 4500 {
		t.Errorf("closed with %d", code)
	}
	if status := <-poll; status != 401 {
		t.Errorf("the long poll ended with %d", status)
	}
	if d := time.Since(begun); d > 30*time.Second { // the poll would take a minute
		t.Errorf("it took %v", d)
	}
	if status, _ := other.do("GET", "/v1/me", ""); status != 401 {
		t.Errorf("the token still answers with %d", status)
	}
	b.say(conv, "1", "still there?")
	stays.next("message", isMessage)

	if err := w.accounts.Suspend(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if code := stays.closed(); code != 4500 {
		t.Errorf("suspended, and closed with %d", code)
	}
	if status, _ := a.do("GET", "/v1/me", ""); status != 403 {
		t.Errorf("suspended, and answered with %d", status)
	}
}

func TestNewPasswordEndsTheOtherSessions(t *testing.T) {
	w := start(t, nil)
	u, err := w.accounts.AddUser(t.Context(), account.NewUser{Username: "alice", Password: "password of alice"}, account.RoleUser)
	if err != nil {
		t.Fatal(err)
	}
	a, other := &person{w, "alice", w.token(u.ID)}, &person{w, "alice", w.token(u.ID)}
	stays, goes := a.connect(), other.connect()
	a.call("POST", "/v1/me/password", `{"old":"wrong password","new":"another one"}`, 403, nil)
	a.call("POST", "/v1/me/password", `{"old":"password of alice","new":"short"}`, 400, nil)
	a.call("POST", "/v1/me/password", `{"old":"password of alice","new":"another one"}`, 204, nil)
	if code := goes.closed(); code != 4500 {
		t.Errorf("the other session was closed with %d", code)
	}
	stays.send(`{"id":2,"conversations":{}}`)
	stays.next("answer", func(l line) bool { return l.Conversations != nil })
	nobody := &person{w: w}
	nobody.call("POST", "/v1/sessions", `{"username":"alice","password":"another one"}`, 201, nil)
}

func waitTracked(t *testing.T, w *world, n int) {
	t.Helper()
	wait.Until(t, fmt.Sprintf("%d tracked", n), func() bool { return w.env.Tracked() == n })
}

// cursorOf is where the log stands.
func cursorOf(p *person) int64 {
	var e struct{ Cursor int64 }
	p.call("GET", "/v1/events", "", 200, &e)
	return e.Cursor
}

func TestConnectionLimit(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.Limits.Connections = 2 })
	a := w.join("alice")
	first := a.connect()
	a.connect()
	s := w.dial(nil)
	s.send(`{"id":1,"connect":{"token":%q}}`, a.token)
	if l := s.next("error", isErr); l.Error.Code != "rate_limited" {
		t.Errorf("the third: %s", l.raw)
	}
	if l := s.next("close", func(l line) bool { return l.Close != nil }); l.Close.Code != 1013 || l.Close.Reconnect == nil {
		t.Errorf("the third: %s", l.raw)
	}
	if code := s.closed(); code != 1013 {
		t.Errorf("the third was closed with %d", code)
	}
	if status, _ := a.do("GET", "/v1/events", ""); status != 429 {
		t.Errorf("a long poll beside two connections: %d", status)
	}
	_ = first.conn.WriteClose(1000, nil)
	wait.Until(t, "a place is free", func() bool {
		status, _ := a.do("GET", "/v1/events", "")
		return status == 200
	})
	w.join("bob").connect()
}

func TestRestartTellsClientsWhenToComeBack(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	s := a.connect()
	w.env.Drain(1012)
	l := s.next("close line", func(l line) bool { return l.Close != nil })
	if l.Close.Code != 1012 || l.Close.Reason != "restart" || l.Close.Reconnect == nil || l.Close.Reconnect.MaxMS != 5000 {
		t.Errorf("the last line: %s", l.raw)
	}
	if code := s.closed(); code != 1012 {
		t.Errorf("closed with %d", code)
	}
	if err := w.env.WaitUntracked(late); err != nil {
		t.Error(err)
	}
}

func TestSlowReaderOverTheWire(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	epoch := epochOf(b)
	slow, quick := b.connect(), b.connect()
	release := make(chan struct{})
	slow.mu.Lock()
	slow.pause = release
	slow.mu.Unlock()
	// Small buffers are full before the write that waits for them is given up.
	if err := slow.conn.NetConn().(*net.TCPConn).SetReadBuffer(16 << 10); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 16<<10)
	from := a.connect()
	n := 0
	for slowClosed := slowCloses(w); slowCloses(w) == slowClosed; { // until the kernel's buffers and ours are full
		const frames, lines = 4, 7 // as much as a frame may have
		for range frames {
			frame := ""
			for range lines {
				frame += fmt.Sprintf(`{"id":%d,"send":{"conv":%q,"cid":"c%d","text":%q}}`+"\n", n, conv, n, text)
				n++
			}
			from.send("%s", frame)
		}
		for range frames * lines {
			from.next("ack", isAck)
		}
		for i := range frames * lines {
			if e, want := quick.next("message", isMessage).Ev, n-frames*lines+i+1; e.Seq != int64(want) {
				t.Fatalf("the quick one got %d in place of %d", e.Seq, want)
			}
		}
		if n > 5000 {
			t.Fatalf("%d messages of 16 KiB wait for one who reads nothing", n)
		}
	}
	close(release)
	if code := slow.closed(); code != 4008 {
		t.Fatalf("closed with %d", code)
	}
	var last int64
	for l := range slow.lines {
		if l.Ev == nil {
			continue
		}
		if l.Ev.Type == "message" && l.Ev.Cursor <= last {
			t.Fatalf("cursor %d after %d", l.Ev.Cursor, last)
		}
		last = l.Ev.Cursor
	}
	again, hello := b.resume(epoch, last)
	if !hello.Connect.Resumed {
		t.Fatalf("%s", hello.raw)
	}
	for seen := last; ; {
		l := again.next("rest", any1)
		if l.Synced != nil {
			break
		}
		if l.Ev.Cursor <= seen {
			t.Fatalf("cursor %d after %d", l.Ev.Cursor, seen)
		}
		if seen = l.Ev.Cursor; l.Ev.Seq == int64(n) {
			last = seen
		}
	}
}

// slowCloses is the metric.
func slowCloses(w *world) float64 {
	for _, c := range w.chat.Collectors() {
		if counter, ok := c.(prometheus.Counter); ok && strings.Contains(counter.Desc().String(), "slow_closed") {
			return testutil.ToFloat64(counter)
		}
	}
	w.t.Fatal("no metric of slow connections")
	return 0
}

func TestGoroutinesAreFlat(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	a.connect()
	count := func() int {
		runtime.GC()
		return runtime.NumGoroutine()
	}
	w.http.Client.CloseIdleConnections()
	before := count()
	var socks []*socket
	for range 15 {
		socks = append(socks, a.connect())
	}
	// One in the client. Here a few are kept for all that have something to say.
	kept := 2 * runtime.GOMAXPROCS(0)
	wait.Until(t, "no goroutine for an idle connection", func() bool { return count() <= before+15+kept })
	for _, s := range socks {
		_ = s.conn.NetConn().Close()
	}
	waitTracked(t, w, 1)
	wait.Until(t, "no more goroutines than before", func() bool {
		w.http.Client.CloseIdleConnections()
		return count() <= before+kept
	})
}

func TestUpdateKeepsConnections(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	s := a.connect()
	conv := a.with("alice")
	cfg := w.cfg
	cfg.MaxText, cfg.Limits.Burst, cfg.Limits.Sends = 5, 2, 1
	w.chat.Update(cfg)
	s.send(`{"id":2,"send":{"conv":%q,"cid":"1","text":"too long"}}`, conv)
	if l := s.next("error", isErr); l.Error.Code != "too_large" {
		t.Errorf("%s", l.raw)
	}
	frame := ""
	for i := range 8 {
		frame += fmt.Sprintf(`{"id":3,"send":{"conv":%q,"cid":"s%d","text":"x"}}`+"\n", conv, i)
	}
	s.send("%s", frame)
	if l := s.next("error", isErr); l.Error.Code != "rate_limited" || l.Error.RetryAfterMS < 1 || l.Error.RetryAfterMS > 1000 {
		t.Errorf("%s", l.raw)
	}
}

func TestClosedDatabaseIsUnavailable(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	conv := a.with("alice")
	h := w.chat
	if err := w.chat.Close(); err != nil {
		t.Fatal(err)
	}
	status, body := a.do("POST", "/v1/conversations/"+conv+"/messages", `{"cid":"1","text":"x"}`)
	if status != 503 || !strings.Contains(body, "unavailable") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := w.handshake(nil); status != 503 {
		t.Errorf("handshake: %d", status)
	}
	_ = h.Check(context.Background())
}
