package nodes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/lxzan/gws"
)

// A client that gets no answer for firstPatience goes to the next node; it waits
// longer where no node answered, because everything may be slow.
const (
	firstPatience = time.Second
	mostPatience  = 8 * time.Second
)

// A device is one connection after another, at one node after another, and writes a
// message after the other.
type device struct {
	gws.BuiltinEventHandler
	crowd  *crowd
	person *person
	name   string
	home   int  // the node where it is when nothing happens
	quiet  bool // it only reads

	mu     sync.Mutex           // guards the rest
	at     int                  // the node
	avoid  [nodeCount]time.Time // until when nodes are not gone to
	conn   *gws.Conn            // the present one
	synced bool                 // and it has what was missed
	ended  chan struct{}
	since  time.Time     // what is being waited for began
	missed int           // nodes left since an answer that was due came
	lost   time.Time     // when the connection before ended; zero: it did not
	hint   time.Duration // the time to spread over, that the server asked for
	told   bool          // the server said why it ends the connection

	epoch  string
	cursor int64
	seq    int64 // of the last event of the conversation

	n    int
	open string        // the cid that is not acknowledged yet
	sent time.Time     // when it was sent first
	wait time.Duration // the longest until one was acknowledged
}

func (d *device) online() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.synced
}

func (d *device) node() *node {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.crowd.c.nodes[d.at%nodeCount]
}

// goHome says whether the device is connected to its own node; if not, and it is
// connected, it goes there next.
func (d *device) goHome() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.synced && d.at%nodeCount != d.home {
		d.at, d.avoid = d.home-1+nodeCount, [nodeCount]time.Time{} // and goes to the next
		_ = d.conn.NetConn().Close()
		d.synced, d.told = false, true
	}
	return d.synced
}

// lastSeen is the last event of the conversation that the device got; rests is
// whether it waits for no acknowledgement.
func (d *device) lastSeen() (seq int64, rests bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seq, d.open == ""
}

// takeWait is the longest that a message waited, be it still.
func (d *device) takeWait() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.wait
	if d.open != "" {
		w = max(w, time.Since(d.sent))
	}
	d.wait = 0
	return w
}

// run keeps a device connected, as docs/chat.md asks clients to.
func (d *device) run() {
	for failed := 0; !d.crowd.left(); {
		conn, err := d.connect()
		if err != nil {
			d.next()
			if failed++; failed%nodeCount == 0 && !d.crowd.pause(100*time.Millisecond+rand.N(100*time.Millisecond)) {
				return
			}
			continue
		}
		failed = 0
		d.stay(conn)
		hint, told := d.over()
		if !d.crowd.left() && !told {
			d.crowd.mu.Lock()
			d.crowd.untold++
			d.crowd.mu.Unlock()
		}
		if hint > 0 && !d.crowd.pause(rand.N(hint)) {
			return
		}
		d.next()
	}
}

// avoidFor is how long a node that did not answer is not gone to, if there is
// another: as long as it takes a balancer to ask whether it is ready.
const avoidFor = 5 * time.Second

// next has the device go to the next node.
func (d *device) next() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.avoid[d.at%nodeCount] = time.Now().Add(avoidFor)
	for range nodeCount + 1 { // where all are avoided, the next
		if d.at++; time.Now().After(d.avoid[d.at%nodeCount]) {
			break
		}
	}
	d.missed++
}

// patience is how long an answer is waited for. d.mu is held.
func (d *device) patience() time.Duration {
	return min(firstPatience<<min(d.missed/nodeCount, 3), mostPatience)
}

func (d *device) connect() (*gws.Conn, error) {
	d.mu.Lock()
	d.ended, d.since, d.synced, d.hint, d.told = make(chan struct{}), time.Now(), false, 0, false
	hello := map[string]any{"token": d.person.token}
	if d.epoch != "" {
		hello["resume"] = map[string]any{"epoch": d.epoch, "cursor": d.cursor}
	}
	addr, patience := d.crowd.c.nodes[d.at%nodeCount].chat, d.patience()
	d.mu.Unlock()
	conn, _, err := gws.NewClient(d, &gws.ClientOption{
		Addr:             "ws" + strings.TrimPrefix(addr, "http") + "/v1/ws",
		NewDialer:        func() (gws.Dialer, error) { return &net.Dialer{Timeout: patience}, nil },
		HandshakeTimeout: patience,
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.conn = conn
	d.mu.Unlock()
	go conn.ReadLoop()
	d.write(conn, map[string]any{"id": 1, "connect": hello})
	return conn, nil
}

// write sends a command. Where it cannot be sent, no answer comes.
func (d *device) write(conn *gws.Conn, command any) {
	if b, err := json.Marshal(command); err == nil {
		_ = conn.WriteMessage(gws.OpcodeText, b)
	}
}

// stay returns when the connection has ended, and ends it when an answer does not
// come, of which the server has nothing to say.
func (d *device) stay(conn *gws.Conn) {
	for {
		select {
		case <-d.ended:
			return
		case <-d.crowd.quit:
			_ = conn.NetConn().Close()
			<-d.ended
			return
		case <-time.After(50 * time.Millisecond):
		}
		d.mu.Lock()
		late := time.Since(d.since) > d.patience() && (d.open != "" || !d.synced)
		d.told = d.told || late
		d.mu.Unlock()
		if late {
			_ = conn.NetConn().Close()
			<-d.ended
			return
		}
	}
}

// OnClose is gws's. It may be called within WriteMessage, so d.mu may be held.
func (d *device) OnClose(*gws.Conn, error) { close(d.ended) }

// over notes that the connection has ended.
func (d *device) over() (hint time.Duration, told bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.synced {
		d.lost = time.Now()
	}
	d.synced, d.conn = false, nil
	return d.hint, d.told
}

type line struct {
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
		switch err := json.Unmarshal(raw, &l); {
		case err != nil:
			d.crowd.fault("%s: unreadable line %q", d.name, raw)
		case string(bytes.TrimSpace(raw)) == "{}":
			_ = conn.WriteMessage(gws.OpcodeText, []byte("{}"))
		default:
			d.take(conn, &l)
		}
	}
}

func (d *device) take(conn *gws.Conn, l *line) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case conn != d.conn: // it is over
	case l.Connect != nil:
		if l.Connect.Reset || d.epoch != "" && (!l.Connect.Resumed || l.Connect.Epoch != d.epoch) {
			d.crowd.fault("%s: could not resume at %d of %s: %+v", d.name, d.cursor, d.epoch, *l.Connect)
		}
		if d.epoch == "" {
			d.epoch, d.cursor = l.Connect.Epoch, l.Connect.Cursor
		}
	case l.Synced != nil:
		d.cursor = max(d.cursor, l.Synced.Cursor)
		d.back()
		d.send(conn)
	case l.Ev != nil && l.Ev.Cursor > 0:
		d.event(l.Ev.Cursor, l.Ev.Type, l.Ev.Seq)
	case l.Ack != nil && l.Ack.CID == d.open:
		d.acked(conn, l.Ack.Seq)
	case l.Error != nil:
		if l.Error.Code != "unavailable" {
			d.crowd.fault("%s: %s: %s", d.name, l.Error.Code, l.Error.Message)
		}
		time.AfterFunc(200*time.Millisecond, func() { d.again(conn) })
	case l.Close != nil:
		d.told = l.Close.Code == 1012
		if l.Close.Reconnect != nil {
			d.hint = time.Duration(l.Close.Reconnect.MaxMS) * time.Millisecond
		}
	}
}

// back notes that the device has all that it missed. Who waits for no
// acknowledgement is content, and impatient again. d.mu is held.
func (d *device) back() {
	d.synced, d.since = true, time.Now()
	if d.open == "" {
		d.missed = 0
	}
	if d.lost.IsZero() {
		return
	}
	took := time.Since(d.lost)
	d.lost = time.Time{}
	d.crowd.mu.Lock()
	d.crowd.backs = append(d.crowd.backs, took)
	d.crowd.mu.Unlock()
}

// event looks whether events come once, in order, without a gap. d.mu is held.
func (d *device) event(cursor int64, kind string, seq int64) {
	if cursor <= d.cursor {
		d.crowd.fault("%s: event %d after %d", d.name, cursor, d.cursor)
	}
	d.cursor = cursor
	if kind != "message" {
		return
	}
	if d.seq != 0 && seq != d.seq+1 {
		d.crowd.fault("%s: message %d after %d", d.name, seq, d.seq)
	}
	d.seq = seq
}

// acked notes an acknowledgement and goes on after a while. d.mu is held.
func (d *device) acked(conn *gws.Conn, seq int64) {
	d.person.mu.Lock()
	d.person.acked[d.open] = seq
	d.person.mu.Unlock()
	d.crowd.mu.Lock()
	d.crowd.acked++
	d.crowd.mu.Unlock()
	d.wait, d.missed, d.open = max(d.wait, time.Since(d.sent)), 0, ""
	time.AfterFunc(d.crowd.pace, func() { d.again(conn) })
}

func (d *device) again(conn *gws.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.synced && d.conn == conn && !d.crowd.left() {
		d.send(conn)
	}
}

// send sends the next message, or the one again that has no answer. d.mu is held.
func (d *device) send(conn *gws.Conn) {
	if d.open == "" {
		if d.quiet || d.crowd.resting.Load() {
			return
		}
		d.n++
		d.open, d.sent, d.since = fmt.Sprintf("%s-%d", d.name, d.n), time.Now(), time.Now()
	}
	d.write(conn, map[string]any{"id": 2, "send": map[string]string{"conv": d.person.conv, "cid": d.open, "text": "message " + d.open}})
}
