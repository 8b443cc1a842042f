package systemd

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"
)

// A ChatTally is what became of WebSockets and messages within a phase.
type ChatTally struct {
	Acked  int // messages that were acknowledged
	Failed int // attempts to connect that failed

	// Over plain TCP, and over TLS.
	Plain, Secure ChatEnds

	Untold int      // connections over TLS that ended without close code 1012
	Ends   []string // how connections ended, the first few
}

// ChatEnds is what became of WebSockets of one kind.
type ChatEnds struct {
	Cut     int           // connections that ended
	Longest time.Duration // until a message was acknowledged, with sending it again
}

// of are the ends of a device's kind.
func (t *ChatTally) of(d *device) *ChatEnds {
	if d.secure {
		return &t.Secure
	}
	return &t.Plain
}

// chats are people who talk to each other in pairs over WebSockets and resume
// whenever a connection ends.
type chats struct {
	url      string
	tls      *tls.Config // of devices that come over TLS, to secure
	prefix   string      // of users' names
	users    []*user
	devices  []*device
	pace     time.Duration // between two messages of a user; 0: 100 ms
	writing  atomic.Bool   // not before everybody is there to get it
	connects atomic.Int64  // that were answered
	codes    atomic.Int64  // connections that ended with a line that says why
	quit     chan struct{} // closed by over
	once     sync.Once
	wg       sync.WaitGroup

	mu     sync.Mutex // guards the rest
	tally  ChatTally
	faults []string // broken promises, the first few
}

// A user has a token and one conversation.
type user struct {
	name, token, conv string

	mu    sync.Mutex
	acked map[string]int64 // seq by cid, of what this user sent
}

// A device is one connection of a user after another. One of a user's devices
// writes.
type device struct {
	gws.BuiltinEventHandler
	all     *chats
	user    *user
	partner *user
	writes  bool
	secure  bool // it comes over TLS
	online  atomic.Bool

	mu     sync.Mutex // guards the rest
	conn   *gws.Conn  // the latest that has synced
	epoch  string
	cursor int64
	seen   map[string]int64 // seq by cid, of what the partner sent
	open   string           // the cid that is not acknowledged yet
	since  time.Time        // when open was sent first
	n      int
	back   time.Duration // the spread that the server asked for
	said   string        // why the server ended the connection
	ended  chan struct{} // closed when the present connection has
}

// over ends everybody's connection.
func (c *chats) over() {
	c.once.Do(func() { close(c.quit) })
	c.wg.Wait()
}

func (c *chats) isOver() bool {
	select {
	case <-c.quit:
		return true
	default:
		return false
	}
}

func (c *chats) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.faults) < 10 {
		c.faults = append(c.faults, fmt.Sprintf(format, args...))
	}
}

func (c *chats) change(f func(*ChatTally)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.tally)
}

func (c *chats) take() ChatTally {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally
	c.tally = ChatTally{}
	return t
}

// cut is how many connections ended since the last take.
func (c *chats) cut() (plain, secure int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tally.Plain.Cut, c.tally.Secure.Cut
}

// call makes a request of the HTTP API.
func (c *chats) call(token, method, path string, body, into any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, c.url+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := (&http.Client{Timeout: requestTime}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %s", method, path, res.Status, got)
	}
	return json.Unmarshal(got, into)
}

// start makes accounts and conversations and connects them: so many devices of
// each user over plain TCP, and so many over TLS. users is even. Every other pair
// writes over TLS, if it can.
func (c *chats) start(users, devices, secure int) error {
	c.quit = make(chan struct{})
	for i := range users {
		u := &user{name: fmt.Sprintf("%suser%d", c.prefix, i), acked: map[string]int64{}}
		var got struct{ Token string }
		if err := c.call("", "POST", "/v1/accounts", map[string]string{"username": u.name, "password": "correct horse " + u.name}, &got); err != nil {
			return err
		}
		u.token = got.Token
		c.users = append(c.users, u)
	}
	for i, u := range c.users {
		var got struct{ ID string }
		if err := c.call(u.token, "POST", "/v1/conversations", map[string]string{"kind": "direct", "with": c.users[i^1].name}, &got); err != nil {
			return err
		}
		u.conv = got.ID
		writer := 0
		if i/2%2 == 1 && secure > 0 {
			writer = devices
		}
		for k := range devices + secure {
			d := &device{all: c, user: u, partner: c.users[i^1], writes: k == writer, secure: k >= devices, seen: map[string]int64{}}
			c.devices = append(c.devices, d)
			c.wg.Go(d.run)
		}
	}
	return nil
}

// write lets everybody write who should.
func (c *chats) write() {
	c.writing.Store(true)
	for _, d := range c.devices {
		if d.writes {
			d.mu.Lock()
			conn := d.conn
			d.mu.Unlock()
			d.again(conn)
		}
	}
}

// online counts the devices that have synced.
func (c *chats) online() int { return len(c.devices) - c.missing(false) - c.missing(true) }

// missing counts those that have not, of one kind.
func (c *chats) missing(secure bool) (n int) {
	for _, d := range c.devices {
		if d.secure == secure && !d.online.Load() {
			n++
		}
	}
	return n
}

// count is how many devices there are of one kind.
func (c *chats) count(secure bool) (n int) {
	for _, d := range c.devices {
		if d.secure == secure {
			n++
		}
	}
	return n
}

// run keeps a device connected, as docs/chat.md asks clients to.
func (d *device) run() {
	wait := 250 * time.Millisecond
	for !d.all.isOver() {
		conn, err := d.connect()
		if err != nil {
			d.all.change(func(t *ChatTally) { t.Failed++ })
			time.Sleep(rand.N(wait))
			wait = min(2*wait, 5*time.Second)
			continue
		}
		wait = 250 * time.Millisecond
		select {
		case <-d.ended:
		case <-d.all.quit:
			_ = conn.NetConn().Close()
			<-d.ended
			return
		}
		d.mu.Lock()
		back, said := d.back, d.said
		d.back, d.said = 0, ""
		d.mu.Unlock()
		d.all.change(func(t *ChatTally) {
			t.of(d).Cut++
			if d.secure && !strings.HasPrefix(said, "1012 ") {
				t.Untold++
			}
			if len(t.Ends) < 5 {
				t.Ends = append(t.Ends, fmt.Sprintf("%s %s: %s", time.Now().Format("15:04:05.000"), d.user.name, cmp.Or(said, "not a word")))
			}
		})
		if back > 0 {
			time.Sleep(rand.N(back))
		}
	}
}

func (d *device) connect() (*gws.Conn, error) {
	d.mu.Lock()
	d.ended = make(chan struct{})
	hello := map[string]any{"token": d.user.token}
	if d.epoch != "" {
		hello["resume"] = map[string]any{"epoch": d.epoch, "cursor": d.cursor}
	}
	d.mu.Unlock()
	opt := gws.ClientOption{Addr: "ws" + strings.TrimPrefix(d.all.url, "http") + "/v1/ws", HandshakeTimeout: requestTime}
	if d.secure {
		opt.Addr, opt.TlsConfig = "wss://"+secure+"/v1/ws", d.all.tls
	}
	conn, _, err := gws.NewClient(d, &opt)
	if err != nil {
		return nil, err
	}
	go conn.ReadLoop()
	b, err := json.Marshal(map[string]any{"id": 1, "connect": hello})
	if err != nil {
		return nil, err
	}
	return conn, conn.WriteMessage(gws.OpcodeText, b)
}

// OnClose is gws's.
func (d *device) OnClose(*gws.Conn, error) {
	d.online.Store(false)
	close(d.ended)
}

type line struct {
	ID      int
	Connect *struct {
		Epoch          string
		Cursor         int64
		Resumed, Reset bool
	}
	Ev *struct {
		Cursor, Seq     int64
		Type, CID, From string
	}
	Synced *struct{ Cursor int64 }
	Ack    *struct {
		Seq int64
		CID string
	}
	Error *struct{ Code, Message string }
	Close *struct {
		Code      int
		Reason    string
		Reconnect *struct {
			MaxMS int64 `json:"max_ms"`
		}
	}
}

// OnMessage is gws's.
func (d *device) OnMessage(conn *gws.Conn, m *gws.Message) {
	defer m.Close()
	for raw := range bytes.Lines(m.Bytes()) {
		var l line
		if err := json.Unmarshal(raw, &l); err != nil {
			d.all.fault("%s: unreadable line %q", d.user.name, raw)
			continue
		}
		if string(bytes.TrimSpace(raw)) == "{}" {
			_ = conn.WriteMessage(gws.OpcodeText, []byte("{}"))
			continue
		}
		d.take(conn, &l)
	}
}

func (d *device) take(conn *gws.Conn, l *line) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case l.Connect != nil:
		d.all.connects.Add(1)
		if l.Connect.Reset || d.epoch != "" && !l.Connect.Resumed {
			d.all.fault("%s: could not resume: %+v", d.user.name, *l.Connect)
		}
		if d.epoch == "" {
			d.cursor = l.Connect.Cursor
		}
		d.epoch = l.Connect.Epoch
	case l.Synced != nil:
		d.cursor = max(d.cursor, l.Synced.Cursor)
		d.online.Store(true)
		d.conn = conn
		if d.writes && d.all.writing.Load() {
			d.write(conn)
		}
	case l.Ev != nil && l.Ev.Cursor > 0:
		if l.Ev.Cursor <= d.cursor {
			d.all.fault("%s: event %d after %d", d.user.name, l.Ev.Cursor, d.cursor)
		}
		d.cursor = l.Ev.Cursor
		if l.Ev.Type == "message" && l.Ev.From == d.partner.name {
			if _, twice := d.seen[l.Ev.CID]; twice {
				d.all.fault("%s: %s came twice", d.user.name, l.Ev.CID)
			}
			d.seen[l.Ev.CID] = l.Ev.Seq
		}
	case l.Ack != nil && l.Ack.CID == d.open:
		d.acked(conn, l.Ack.CID, l.Ack.Seq)
	case l.Error != nil && d.open != "":
		time.AfterFunc(200*time.Millisecond, func() { d.again(conn) })
	case l.Close != nil && l.Close.Reconnect != nil:
		d.all.codes.Add(1)
		d.back = time.Duration(l.Close.Reconnect.MaxMS) * time.Millisecond
		d.said = fmt.Sprintf("%d %s", l.Close.Code, l.Close.Reason)
	}
}

func (d *device) acked(conn *gws.Conn, cid string, seq int64) {
	d.user.mu.Lock()
	d.user.acked[cid] = seq
	d.user.mu.Unlock()
	took := time.Since(d.since)
	d.all.change(func(t *ChatTally) {
		t.Acked++
		t.of(d).Longest = max(t.of(d).Longest, took)
	})
	d.open = ""
	time.AfterFunc(cmp.Or(d.all.pace, 100*time.Millisecond), func() { d.again(conn) })
}

func (d *device) again(conn *gws.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.online.Load() && !d.all.isOver() {
		d.write(conn)
	}
}

// write sends the next message, or the one again that has no answer. d.mu is held.
func (d *device) write(conn *gws.Conn) {
	if d.open == "" {
		d.n++
		d.open, d.since = fmt.Sprintf("%s-%d", d.user.name, d.n), time.Now()
	}
	b, err := json.Marshal(map[string]any{"id": 2, "send": map[string]string{"conv": d.user.conv, "cid": d.open, "text": "message " + d.open}})
	if err == nil {
		_ = conn.WriteMessage(gws.OpcodeText, b) // without an answer it is sent again
	}
}

// end disconnects everybody and returns how many acknowledged messages there
// were and which promises were broken.
func (c *chats) end() (acked, lost int, faults []string) {
	c.over()
	for _, u := range c.users {
		stored, err := c.history(u)
		if err != nil {
			c.fault("history of %s: %v", u.name, err)
		}
		for cid, seq := range u.acked {
			acked++
			if stored[cid] != seq {
				lost++
				c.fault("%s was acknowledged as %d and is stored as %d", cid, seq, stored[cid])
			}
		}
	}
	for _, d := range c.devices {
		// What came after the device left was not pushed to it.
		last := int64(0)
		for _, seq := range d.seen {
			last = max(last, seq)
		}
		for cid, seq := range d.partner.acked {
			if _, ok := d.seen[cid]; !ok && seq < last {
				lost++
				c.fault("%s, %d of the conversation, was not pushed to %s", cid, seq, d.user.name)
			}
		}
	}
	return acked, lost, c.faults
}

// history reads the conversation of u: the seq of each message by cid.
func (c *chats) history(u *user) (map[string]int64, error) {
	stored, after := map[string]int64{}, int64(0)
	for {
		var page struct {
			Messages []struct {
				CID, From string
				Seq       int64
			}
			More bool
		}
		if err := c.call(u.token, "GET", fmt.Sprintf("/v1/conversations/%s/messages?after=%d&limit=200", u.conv, after), nil, &page); err != nil {
			return stored, err
		}
		for _, m := range page.Messages {
			if _, twice := stored[m.CID]; twice {
				return stored, errors.New(m.CID + " is stored twice")
			}
			if m.From == u.name {
				stored[m.CID] = m.Seq
			}
			after = m.Seq
		}
		if !page.More {
			return stored, nil
		}
	}
}
