package systemd

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"
)

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
