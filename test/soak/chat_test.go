package soak_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lxzan/gws"
)

const talkers = 6

// chat has a group in which everybody hears everybody, each message once.
func (r *run) chat() {
	people := make([]*caller, talkers)
	names := make([]string, talkers)
	for i := range people {
		people[i], names[i] = newCaller(r.d.URL("chat")), fmt.Sprint("talker", i)
		var in struct{ Token string }
		r.must(people[i].call("POST", "/v1/accounts", map[string]string{"username": names[i], "password": "a password of length"}, &in))
		people[i].token = in.Token
	}
	var conv struct{ ID string }
	r.must(people[0].call("POST", "/v1/conversations", map[string]any{"kind": "group", "cid": "soak", "title": "soak", "members": names[1:]}, &conv))
	for i, p := range people {
		l := &listener{r: r, conv: conv.ID, said: make(chan struct{}, 1)}
		r.each("chat: a minute of a connection", 200*time.Millisecond, func(n int) error { return l.sit(p, i, n) })
	}
}

// A listener is somebody in the group, over many connections. What he hears must
// have no gap: seq goes up by one.
type listener struct {
	gws.BuiltinEventHandler
	r    *run
	conv string
	said chan struct{} // an acknowledgement came

	mu     sync.Mutex
	next   int64  // seq that is due; 0: any; guarded by mu
	epoch  string // guarded by mu
	cursor int64  // guarded by mu
	err    error  // guarded by mu
}

// sit connects, resumes, talks and listens for a while, and leaves, at times
// without a word.
func (l *listener) sit(p *caller, who, n int) error {
	conn, _, err := gws.NewClient(l, &gws.ClientOption{Addr: "ws" + strings.TrimPrefix(p.base, "http") + "/v1/ws", HandshakeTimeout: patience})
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn.ReadLoop()
	}()
	defer func() {
		_ = conn.NetConn().Close()
		<-ended
	}()
	connect := map[string]any{"token": p.token}
	l.mu.Lock()
	if l.epoch != "" {
		connect["resume"] = map[string]any{"epoch": l.epoch, "cursor": l.cursor}
	}
	l.mu.Unlock()
	if err := write(conn, map[string]any{"id": 1, "connect": connect}); err != nil {
		return err
	}
	for i := range 60 {
		text := fmt.Sprintf("message %d of visit %d", i, n)
		err := write(conn, map[string]any{"id": i + 2, "send": map[string]any{"conv": l.conv, "cid": fmt.Sprintf("%d-%d-%d", who, n, i), "text": text}})
		if err != nil {
			return err
		}
		select {
		case <-l.said:
			l.r.count("chat: messages acknowledged")
		case <-ended:
			return fmt.Errorf("the connection ended: %w", l.state())
		case <-time.After(patience):
			return fmt.Errorf("no acknowledgement: %w", l.state())
		}
		select {
		case <-l.r.stop:
			return l.state()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return l.state()
}

func (l *listener) state() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func write(c *gws.Conn, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.WriteMessage(gws.OpcodeText, b)
}

// OnClose implements gws.Event.
func (l *listener) OnClose(*gws.Conn, error) {}

// OnMessage implements gws.Event.
func (l *listener) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	for raw := range bytes.SplitSeq(m.Bytes(), []byte{'\n'}) {
		if string(raw) == "{}" {
			_ = c.WriteString("{}")
			continue
		}
		var line struct {
			Connect *struct {
				Epoch  string
				Cursor int64
			}
			Ev *struct {
				Cursor int64
				Type   string
				Conv   string
				Seq    int64
			}
			Ack   *struct{ Seq int64 }
			Error *struct{ Code, Message string }
		}
		if err := json.Unmarshal(raw, &line); len(raw) > 0 && err != nil {
			l.blame(fmt.Errorf("%w in %.200s", err, raw))
			return
		}
		switch {
		case line.Error != nil:
			l.blame(fmt.Errorf("%s: %s", line.Error.Code, line.Error.Message))
		case line.Connect != nil:
			l.mu.Lock()
			l.epoch = line.Connect.Epoch
			l.cursor = max(l.cursor, line.Connect.Cursor)
			l.mu.Unlock()
		case line.Ack != nil:
			l.said <- struct{}{}
		case line.Ev != nil:
			l.heard(line.Ev.Type, line.Ev.Conv, line.Ev.Seq, line.Ev.Cursor)
		}
	}
}

func (l *listener) heard(kind, conv string, seq, cursor int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursor = max(l.cursor, cursor)
	if kind != "message" || conv != l.conv {
		return
	}
	if l.next != 0 && seq != l.next && l.err == nil {
		l.err = fmt.Errorf("message %d where %d is due", seq, l.next)
	}
	l.next = seq + 1
	l.r.count("chat: messages delivered")
}

func (l *listener) blame(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}
