package chat_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/porticod/portico/internal/testkit/wait"
)

// A line is what the server sends, whichever it is.
type line struct {
	ID      json.RawMessage
	Connect *struct {
		User, Session, Epoch string
		Cursor               int64
		Resumed, Reset       bool
		Ping                 float64
	}
	Ev     *event
	Synced *struct{ Cursor int64 }
	Ack    *ack
	Error  *struct {
		Code, Message string
		RetryAfterMS  int64 `json:"retry_after_ms"`
	}
	History *struct {
		Messages []event
		More     bool
	}
	Close *struct {
		Code      int
		Reason    string
		Reconnect *struct {
			MinMS int64 `json:"min_ms"`
			MaxMS int64 `json:"max_ms"`
		}
	}
	Conversation  json.RawMessage
	Conversations json.RawMessage
	raw           string
}

// A socket is a WebSocket to the chat.
type socket struct {
	gws.BuiltinEventHandler
	t     testing.TB
	conn  *gws.Conn
	lines chan line
	code  chan int // the close code, once

	mu    sync.Mutex
	pause chan struct{} // not nil: the reader waits for its end
	mute  bool          // pings are not answered
}

func (w *world) dial(header http.Header) *socket {
	w.t.Helper()
	s := &socket{t: w.t, lines: make(chan line, 50_000), code: make(chan int, 1)}
	conn, res, err := gws.NewClient(s, &gws.ClientOption{
		Addr: "ws" + strings.TrimPrefix(w.http.URL, "http") + "/v1/ws", RequestHeader: header, HandshakeTimeout: late,
	})
	if err != nil {
		status := ""
		if res != nil {
			status = res.Status
		}
		w.t.Fatalf("dial: %v %s", err, status)
	}
	s.conn = conn
	go conn.ReadLoop()
	w.t.Cleanup(func() { _ = conn.NetConn().Close() })
	return s
}

func (s *socket) OnMessage(_ *gws.Conn, msg *gws.Message) {
	defer msg.Close()
	s.mu.Lock()
	pause := s.pause
	s.mu.Unlock()
	if pause != nil {
		<-pause
	}
	sc := bufio.NewScanner(bytes.NewReader(msg.Bytes()))
	sc.Buffer(nil, 4<<20)
	for sc.Scan() {
		if sc.Text() == "{}" && !s.mute {
			_ = s.conn.WriteString("{}")
			continue
		}
		l := line{raw: sc.Text()}
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			s.t.Errorf("the server sent %q: %v", sc.Text(), err)
		}
		s.lines <- l
	}
}

func (s *socket) OnClose(_ *gws.Conn, err error) {
	var closed *gws.CloseError
	code := 1006
	if ok := asClose(err, &closed); ok {
		code = int(closed.Code)
	}
	s.code <- code
	close(s.lines)
}

func asClose(err error, into **gws.CloseError) bool {
	c, ok := err.(*gws.CloseError)
	*into = c
	return ok
}

func (s *socket) send(format string, args ...any) {
	s.t.Helper()
	if err := s.conn.WriteString(fmt.Sprintf(format, args...)); err != nil {
		s.t.Fatalf("send: %v", err)
	}
}

// next returns the next line that fits.
func (s *socket) next(what string, fits func(line) bool) line {
	s.t.Helper()
	timeout := time.After(late)
	for {
		select {
		case l, ok := <-s.lines:
			if !ok {
				s.t.Fatalf("the connection closed while waiting for %s", what)
			}
			if fits(l) {
				return l
			}
		case <-timeout:
			s.t.Fatalf("no %s after %v", what, late)
		}
	}
}

func any1(line) bool        { return true }
func isEvent(l line) bool   { return l.Ev != nil }
func isMessage(l line) bool { return l.Ev != nil && l.Ev.Type == "message" }
func isMark(l line) bool    { return l.Ev != nil && l.Ev.Type == "mark" }
func isSynced(l line) bool  { return l.Synced != nil }
func isAck(l line) bool     { return l.Ack != nil }
func isErr(l line) bool     { return l.Error != nil }
func isConnect(l line) bool { return l.Connect != nil }

// closed waits for the end and returns its code.
func (s *socket) closed() int {
	s.t.Helper()
	select {
	case code := <-s.code:
		return code
	case <-time.After(2 * late):
		s.t.Fatal("the connection was not closed")
		return 0
	}
}

// connect opens a socket for p, live and without replay. It gets nothing of what was
// done before.
func (p *person) connect() *socket {
	p.w.t.Helper()
	if p.w.chat != nil { // it is in this process
		wait.Until(p.w.t, "what was done is handed out", p.w.chat.HandedOut)
	}
	s, _ := p.resume("", 0)
	return s
}

// resume opens a socket that goes on from a position, and returns the answer.
func (p *person) resume(epoch string, cursor int64) (*socket, line) {
	p.w.t.Helper()
	s := p.w.dial(nil)
	resume := ""
	if epoch != "" {
		resume = fmt.Sprintf(`,"resume":{"epoch":%q,"cursor":%d}`, epoch, cursor)
	}
	s.send(`{"id":1,"connect":{"token":%q%s}}`, p.token, resume)
	l := s.next("answer to connect", isConnect)
	if epoch == "" {
		s.next("synced", isSynced)
	}
	return s, l
}
