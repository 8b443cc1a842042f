package photos_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/porticod/portico/internal/testkit/wait"
)

// events is a stream that is read line by line.
type events struct {
	t     *testing.T
	lines chan string // closed at the end
}

// listen opens a stream of server-sent events and waits until it hears.
func (s *site) listen(t *testing.T, path, token string) *events {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/api/v1/streaming/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := s.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if ct := res.Header.Get("Content-Type"); res.StatusCode != 200 || ct != "text/event-stream" {
		t.Fatalf("%s: %s, %s", path, res.Status, ct)
	}
	e := &events{t: t, lines: make(chan string, 1000)}
	go func() {
		defer res.Body.Close()
		defer close(e.lines)
		for sc := bufio.NewReader(res.Body); ; {
			line, err := sc.ReadString('\n')
			if err != nil {
				return
			}
			e.lines <- strings.TrimSuffix(line, "\n")
		}
	}()
	if line := e.line(); line != ":thump" {
		t.Fatalf("the first line is %q", line)
	}
	return e
}

// line is the next line; "end" at the end.
func (e *events) line() string {
	e.t.Helper()
	select {
	case line, ok := <-e.lines:
		if !ok {
			return "end"
		}
		return line
	case <-time.After(patience):
		e.t.Fatal("nothing comes")
		return ""
	}
}

// next is the next event, which must have exactly three lines.
func (e *events) next(name string) (payload string) {
	e.t.Helper()
	got := e.line()
	data, found := strings.CutPrefix(e.line(), "data: ")
	if end := e.line(); got != "event: "+name || !found || end != "" {
		e.t.Fatalf("%q, data %v, %q instead of %s", got, found, end, name)
	}
	return data
}

// post is the next event, which is about a post with an id.
func (e *events) post(name, id string) {
	e.t.Helper()
	var p status
	if err := json.Unmarshal([]byte(e.next(name)), &p); err != nil || p.ID != id {
		e.t.Fatalf("%s of %s instead of %s, %v", name, p.ID, id, err)
	}
}

func (s *site) write(token, text string, more ...string) (v view) {
	s.t.Helper()
	s.call("POST", "/api/v1/statuses", token, with(url.Values{"status": {text}}, more...)).is(200).into(&v)
	return v
}

func TestEvents(t *testing.T) {
	s := open(t, "text_posts = true")
	ann, bob, eve := s.signUp("ann"), s.signUp("bob"), s.signUp("eve")
	s.relate(ann, s.id("bob"), "follow")
	home, told := s.listen(t, "user", ann), s.listen(t, "user/notification", ann)
	public, media := s.listen(t, "public", ""), s.listen(t, "public/local?only_media=true", "")
	tag := s.listen(t, "hashtag?tag=Sea", eve)

	private := s.write(bob, "private #sea", "visibility", "private")
	p := s.write(bob, "public #sea")
	home.post("update", private.ID)
	home.post("update", p.ID)
	public.post("update", p.ID)
	tag.post("update", p.ID)
	picture := s.post(eve, "public")
	public.post("update", picture.ID)
	media.post("update", picture.ID)

	s.call("PUT", "/api/v1/statuses/"+p.ID, bob, url.Values{"status": {"other #sea"}}).is(200)
	home.post("status.update", p.ID)
	public.post("status.update", p.ID)
	c := s.comment(eve, s.write(ann, "of ann").ID, "hi")
	home.next("update")
	public.next("update")
	for _, e := range []*events{home, told} {
		var n notification
		if err := json.Unmarshal([]byte(e.next("notification")), &n); err != nil || n.Type != "mention" || n.Status.ID != c.ID {
			t.Errorf("notification %+v, %v", n, err)
		}
	}
	s.call("DELETE", "/api/v1/statuses/"+p.ID, bob, nil).is(200)
	if id := home.next("delete"); id != p.ID {
		t.Errorf("deleted: %q", id)
	}
	if id := public.next("delete"); id != p.ID {
		t.Errorf("deleted: %q", id)
	}
	s.call("POST", "/api/v2/filters", ann, url.Values{"title": {"x"}, "context[]": {"home"}, "keywords_attributes[][keyword]": {"x"}}).is(200)
	if data := home.next("filters_changed"); data != "undefined" {
		t.Errorf("filters_changed: %q", data)
	}

	// From here on eve neither sees bob nor he her.
	s.block("eve", "bob")
	s.write(bob, "not for eve #sea")
	last := s.write(ann, "for eve #sea")
	tag.next("status.update")
	if id := tag.next("delete"); id != p.ID {
		t.Errorf("deleted: %q", id)
	}
	tag.post("update", last.ID)
}

func TestEventsOfListsAndConversations(t *testing.T) {
	s := open(t, "text_posts = true")
	ann, bob, eve := s.signUp("ann"), s.signUp("bob"), s.signUp("eve")
	s.relate(ann, s.id("bob"), "follow")
	var l struct{ ID string }
	s.call("POST", "/api/v1/lists", ann, url.Values{"title": {"friends"}}).is(200).into(&l)
	s.call("POST", "/api/v1/lists/"+l.ID+"/accounts", ann, url.Values{"account_ids[]": {s.id("bob")}}).is(200)
	list, direct, other := s.listen(t, "list?list="+l.ID, ann), s.listen(t, "direct", ann), s.listen(t, "direct", eve)
	s.write(eve, "not in the list")
	p := s.write(bob, "in the list")
	list.post("update", p.ID)
	p = s.write(bob, "@ann psst", "visibility", "direct")
	var c struct {
		Unread     bool
		LastStatus status `json:"last_status"`
	}
	if err := json.Unmarshal([]byte(direct.next("conversation")), &c); err != nil || !c.Unread || c.LastStatus.ID != p.ID {
		t.Errorf("conversation %+v, %v", c, err)
	}
	s.write(bob, "@eve psst", "visibility", "direct")
	other.next("conversation") // hers, not that of ann
	for path, code := range map[string]int{"list?list=" + l.ID: 404, "list?list=x": 404, "list": 404, "hashtag?tag=": 400, "nothing": 400, "": 400} {
		s.get("/api/v1/streaming/"+path, eve).is(code)
	}
}

func TestStreamingDoors(t *testing.T) {
	s := open(t, "")
	if body := s.get("/api/v1/streaming/health", "").is(200).body; body != "OK" {
		t.Errorf("health: %q", body)
	}
	for _, path := range []string{"user", "user/notification", "direct", "list?list=1"} {
		s.get("/api/v1/streaming/"+path, "").is(401)
		s.get("/api/v1/streaming/"+path, "wrong").is(401)
	}
	s.call("POST", "/api/v1/streaming/user", "", nil).is(405)
	if left := s.get("/api/v1/streaming/nothing", "").is(400).Header.Get("X-RateLimit-Remaining"); left == "" {
		t.Error("streams are not counted as calls")
	}
	var tok struct {
		AccessToken string `json:"access_token"`
	}
	s.signUp("ann")
	app := s.app("read:accounts")
	s.call("POST", "/oauth/token", "", with(app, "grant_type", "password", "username", "ann", "password", password, "scope", "read:accounts")).is(200).into(&tok)
	s.get("/api/v1/streaming/user", tok.AccessToken).is(403)
	s.listen(t, "public", tok.AccessToken)
	for name, headers := range map[string][]string{
		"version": {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "8", "Sec-WebSocket-Key", "x"},
		"no key":  {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13"},
		"half":    {"Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "x"},
	} {
		if code := s.send("GET", "/api/v1/streaming", nil, headers...).StatusCode; code != 400 {
			t.Errorf("%s: %d", name, code)
		}
	}
	if _, res, err := s.socket("?access_token=wrong", nil); err == nil || res.StatusCode != 401 {
		t.Errorf("a wrong token: %v", err)
	}
}

// TestEnds: streams end at once with the session, the person, or the daemon.
func TestEnds(t *testing.T) {
	s := open(t, "")
	sessions := map[string]string{}
	for _, name := range []string{"ann", "bob", "eve", "dan"} {
		sessions[name] = s.signUp(name)
	}
	for name, end := range map[string]func(){
		"ann": func() {
			u, err := s.people.UserByName(t.Context(), "ann")
			if err == nil {
				err = s.people.EndSessions(t.Context(), u.ID, "photos.test", "")
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"bob": func() {
			u, err := s.people.UserByName(t.Context(), "bob")
			if err == nil {
				err = s.people.Suspend(t.Context(), u.ID)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		e := s.listen(t, "user", sessions[name])
		ws := s.mustSocket(t, "?stream=user&access_token="+sessions[name])
		end()
		if got := e.line(); got != "end" {
			t.Errorf("%s hears %q", name, got)
		}
		if code := ws.end(); code != 1008 {
			t.Errorf("%s: code %d", name, code)
		}
	}
	e, ws := s.listen(t, "user", sessions["eve"]), s.mustSocket(t, "?stream=user&access_token="+sessions["eve"])
	wait.Until(t, "both are tracked", func() bool { return s.env.Tracked() == 2 })
	s.env.Drain(1012)
	if got := e.line(); got != "end" {
		t.Errorf("eve hears %q", got)
	}
	if code := ws.end(); code != 1012 {
		t.Errorf("drained with %d", code)
	}
	wait.Until(t, "nothing is tracked", func() bool { return s.env.Tracked() == 0 })

	// One person has so many streams.
	for range 16 {
		s.listen(t, "user", sessions["dan"])
	}
	r := s.get("/api/v1/streaming/user", sessions["dan"]).is(429)
	if r.Header.Get("Retry-After") == "" {
		t.Error("without Retry-After")
	}
}

// socket is a WebSocket whose frames are kept.
type socket struct {
	gws.BuiltinEventHandler
	t      *testing.T
	conn   *gws.Conn
	frames chan string
	closed chan uint16
}

func (k *socket) OnMessage(_ *gws.Conn, m *gws.Message) { k.frames <- m.Data.String() }

func (k *socket) OnClose(_ *gws.Conn, err error) {
	code := uint16(0)
	if ce := (*gws.CloseError)(nil); errors.As(err, &ce) {
		code = ce.Code
	}
	k.closed <- code
}

// socket opens /api/v1/streaming with a query and headers.
func (s *site) socket(query string, header http.Header) (*socket, *http.Response, error) {
	k := &socket{frames: make(chan string, 1000), closed: make(chan uint16, 1)}
	conn, res, err := gws.NewClient(k, &gws.ClientOption{
		Addr: "ws" + strings.TrimPrefix(s.URL, "http") + "/api/v1/streaming" + query, RequestHeader: header,
	})
	if err != nil {
		return nil, res, err
	}
	k.conn = conn
	go conn.ReadLoop()
	return k, res, nil
}

func (s *site) mustSocket(t *testing.T, query string, headers ...string) *socket {
	t.Helper()
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	k, res, err := s.socket(query, h)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := res.Header.Get("Sec-WebSocket-Protocol"), h.Get("Sec-WebSocket-Protocol"); got != want {
		t.Errorf("the subprotocol is %q, not %q", got, want)
	}
	k.t = t
	t.Cleanup(func() { _ = k.conn.NetConn().Close() })
	return k
}

func (k *socket) say(text string) {
	k.t.Helper()
	if err := k.conn.WriteString(text); err != nil {
		k.t.Fatal(err)
	}
}

func (k *socket) end() uint16 {
	k.t.Helper()
	select {
	case code := <-k.closed:
		return code
	case <-time.After(patience):
		k.t.Fatal("it does not end")
		return 0
	}
}

type frame struct {
	Stream  []string
	Event   string
	Payload *string
	Error   string
	Status  int
}

func (k *socket) frame() (f frame) {
	k.t.Helper()
	select {
	case text := <-k.frames:
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			k.t.Fatalf("%q: %v", text, err)
		}
	case <-time.After(patience):
		k.t.Fatal("nothing comes")
	}
	return f
}

func (k *socket) gets(event, id string, stream ...string) {
	k.t.Helper()
	f := k.frame()
	var p status
	if f.Payload != nil {
		if err := json.Unmarshal([]byte(*f.Payload), &p); err != nil {
			p.ID = *f.Payload
		}
	}
	if fmt.Sprint(f.Stream, f.Event, p.ID) != fmt.Sprint(stream, event, id) {
		k.t.Fatalf("%v %s of %s instead of %v %s of %s", f.Stream, f.Event, p.ID, stream, event, id)
	}
}

func TestSocket(t *testing.T) {
	s := open(t, "text_posts = true")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	sockets := []*socket{
		s.mustSocket(t, "", "Authorization", "Bearer "+ann), s.mustSocket(t, "?access_token="+ann), s.mustSocket(t, "", "Sec-WebSocket-Protocol", ann),
	}
	for _, k := range sockets {
		k.say("no JSON")
		k.say(`{"type":"nothing"}`)
		k.say(`{"type":"subscribe","stream":"nothing"}`)
		if f := k.frame(); f.Status != 400 || f.Error == "" {
			t.Errorf("an unknown stream: %+v", f)
		}
		for range 2 {
			k.say(`{"type":"subscribe","stream":"user"}`)
		}
		k.say(`{"type":"subscribe","stream":"hashtag","tag":"Sea"}`)
		k.say(`{"type":"subscribe","stream":"list","list":7}`)
		if f := k.frame(); f.Status != 404 {
			t.Errorf("a list that is not there: %+v", f)
		}
	}
	p := s.write(ann, "one #sea")
	for _, k := range sockets {
		k.gets("update", p.ID, "user")
		k.gets("update", p.ID, "hashtag", "sea")
		k.say(`{"type":"unsubscribe","stream":"user"}`)
		k.say(`{"type":"subscribe","stream":"nothing"}`) // its answer comes after
		k.frame()
	}
	q := s.write(bob, "two #sea")
	for _, k := range sockets {
		k.gets("update", q.ID, "hashtag", "sea") // before it is deleted, or it would be left out
	}
	s.call("DELETE", "/api/v1/statuses/"+q.ID, bob, nil).is(200)
	for _, k := range sockets {
		k.gets("delete", q.ID, "hashtag", "sea")
	}
	k := s.mustSocket(t, "?stream=user&access_token="+ann)
	s.call("POST", "/api/v2/filters", ann, url.Values{"title": {"x"}, "context[]": {"home"}}).is(200)
	if f := k.frame(); f.Event != "filters_changed" || f.Payload != nil {
		t.Errorf("filters_changed: %+v", f)
	}
	anybody := s.mustSocket(t, "?stream=public")
	anybody.say(`{"type":"subscribe","stream":"user"}`)
	if f := anybody.frame(); f.Status != 401 {
		t.Errorf("anybody's own stream: %+v", f)
	}
	k.say(strings.Repeat("x", 5000))
	if code := k.end(); code != 1009 {
		t.Errorf("a frame that is too long ends with %d", code)
	}
}

// TestNegativeLength: a frame whose length nobody may announce ends one
// connection, not the process.
func TestNegativeLength(t *testing.T) {
	s := open(t, "")
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/v1/streaming?stream=public HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "101") {
		t.Fatal(line, err)
	}
	head := binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, 1<<63)
	if _, err := conn.Write(append(head, "mask"...)); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Error(err)
	}
	s.get("/api/v1/streaming/health", "").is(200)
}
