package chat_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	accounts "github.com/porticod/portico/pkg/account/sqlite"
	"github.com/porticod/portico/services/chat"
	"github.com/porticod/portico/services/servicetest"
)

// late is how long a test waits for what should happen at once.
const late = 10 * time.Second

// directory opens accounts that anybody may sign up to.
func directory(t testing.TB) *account.Directory {
	t.Helper()
	d := accountsAt(filepath.Join(t.TempDir(), "accounts.db"))
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close accounts: %v", err)
		}
	})
	return d
}

// accountsAt opens the accounts in a file.
func accountsAt(path string) *account.Directory {
	d := account.New()
	d.Configure(account.Options{
		Registration: account.Open,
		Open: func(ctx context.Context) (account.Store, error) {
			return accounts.Open(ctx, path, zerolog.Nop())
		},
	})
	return d
}

// remote is a server in another process.
func remote(url string) *servicetest.HTTPServer {
	return &servicetest.HTTPServer{URL: url, Client: &http.Client{Timeout: 3 * late, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
}

// A world is a running chat with a server in front of it.
type world struct {
	t        testing.TB
	accounts *account.Directory
	dir      string
	env      *servicetest.Env
	chat     *chat.Chat
	http     *servicetest.HTTPServer
	cfg      chat.Config
}

func start(t testing.TB, change func(*chat.Config)) *world {
	t.Helper()
	w := &world{t: t, accounts: directory(t), dir: filepath.Join(t.TempDir(), "chat"), cfg: chat.Type{}.Default()}
	if change != nil {
		change(&w.cfg)
	}
	w.open()
	t.Cleanup(w.close)
	return w
}

func (w *world) open() {
	w.t.Helper()
	w.env = servicetest.NewEnvAt(w.t, "chat", "test", w.dir)
	c, err := chat.Type{Accounts: w.accounts}.Open(w.t.Context(), w.env.Env, w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.chat, w.http = c, servicetest.HTTP(w.t, c)
}

func (w *world) close() {
	if w.chat == nil {
		return
	}
	w.http.Kill()
	if err := w.chat.Close(); err != nil {
		w.t.Errorf("close: %v", err)
	}
	w.http.Close()
	w.chat = nil
}

// reopen cuts everything and starts anew on the same folder.
func (w *world) reopen() {
	w.t.Helper()
	w.close()
	w.open()
}

// A person is a user with a token.
type person struct {
	w     *world
	name  string
	token string
}

// join makes an account without the price of a sign-in.
func (w *world) join(name string) *person {
	w.t.Helper()
	u, err := w.accounts.AddUser(w.t.Context(), account.NewUser{Username: name, Password: "password of " + name}, account.RoleUser)
	if err != nil {
		w.t.Fatal(err)
	}
	return &person{w, name, w.token(u.ID)}
}

func (w *world) token(user int64) string {
	w.t.Helper()
	token, _, err := w.accounts.NewSession(w.t.Context(), account.Session{UserID: user, Service: "chat.test"})
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// do makes a request and returns the status and the body.
func (p *person) do(method, path, body string) (int, string) {
	p.w.t.Helper()
	req, err := http.NewRequestWithContext(p.w.t.Context(), method, p.w.http.URL+path, strings.NewReader(body))
	if err != nil {
		p.w.t.Fatal(err)
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	res, err := p.w.http.Client.Do(req)
	if err != nil {
		p.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		p.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, string(bytes.TrimSpace(got))
}

// call makes a request that must be answered with want, and decodes it.
func (p *person) call(method, path, body string, want int, into any) {
	p.w.t.Helper()
	status, got := p.do(method, path, body)
	if status != want {
		p.w.t.Fatalf("%s %s: %d %s, not %d", method, path, status, got, want)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(got), into); err != nil {
			p.w.t.Fatalf("%s %s: %v in %s", method, path, err, got)
		}
	}
}

// with returns the id of the conversation with somebody.
func (p *person) with(other string) string {
	p.w.t.Helper()
	status, body := p.do("POST", "/v1/conversations", fmt.Sprintf(`{"kind":"direct","with":%q}`, other))
	var conv struct{ ID string }
	if err := json.Unmarshal([]byte(body), &conv); err != nil || status != 200 && status != 201 {
		p.w.t.Fatalf("conversation with %s: %d %s", other, status, body)
	}
	return conv.ID
}

type ack struct {
	Conv, CID, At string
	Seq           int64
	Dup           bool
}

func (p *person) say(conv, cid, text string) (a ack) {
	p.w.t.Helper()
	status, body := p.do("POST", "/v1/conversations/"+conv+"/messages", fmt.Sprintf(`{"cid":%q,"text":%q}`, cid, text))
	if err := json.Unmarshal([]byte(body), &a); err != nil || status != 200 && status != 201 {
		p.w.t.Fatalf("send: %d %s", status, body)
	}
	return a
}

// An event is what is pushed.
type event struct {
	Cursor       int64
	Type         string
	Conv         string
	Seq          int64
	CID          string
	From         string
	At           string
	Text         string
	ReplyTo      int64 `json:"reply_to"`
	Recv, Read   int64
	Conversation *struct {
		ID      string
		Members []string
		Unread  int64
	}
}

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

// connect opens a socket for p, live and without replay.
func (p *person) connect() *socket {
	p.w.t.Helper()
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

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(late); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after %v: %s", late, what)
		}
	}
}
