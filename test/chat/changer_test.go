package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A changer does all that is not just sending, and each thing again until it is
// acknowledged: attachments, edits, reactions, deletions, marks, and, as the
// owner of the group, has somebody come and go.
type changer struct {
	s          *scene
	u          *user
	conv       string
	guest      *user // who comes and goes; nil: nobody
	overSocket bool  // what can be said over a WebSocket is

	wire   *wire
	n      int
	marked int64
	inside bool           // the guest
	done   map[string]int // guarded by s.mu
	said   []*said
}

// said is what must be stored of a message.
type said struct {
	cid, text string
	seq       int64
	blob      string
	content   []byte
	emoji     string
	deleted   bool
}

func newChanger(s *scene, u *user, conv string, guest *user) *changer {
	return &changer{s: s, u: u, conv: conv, guest: guest, inside: guest != nil, done: map[string]int{}}
}

func (c *changer) run() {
	for !c.s.stopping() {
		c.n++
		m := c.say()
		if len(c.said) > 1 {
			c.change(c.said[len(c.said)-2])
		}
		c.mark(m.seq)
		if c.guest != nil && c.n%4 == 0 {
			c.open()
		}
	}
	if c.wire != nil {
		_ = c.wire.conn.Close()
	}
}

// say sends a message, every other one with an attachment.
func (c *changer) say() *said {
	m := &said{cid: fmt.Sprintf("%s-%d", c.u.name, c.n)}
	m.text = "text of " + m.cid
	body := object{"cid": m.cid, "text": m.text}
	if c.n%2 == 0 {
		m.content = fmt.Appendf(nil, "bytes of %s %s", m.cid, strings.Repeat("x", c.n*97%5000))
		var up struct{ ID string }
		c.http("attachments", "POST", "/v1/blobs?name=x.txt", m.content, &up)
		m.blob = up.ID
		body["attachments"] = []string{m.blob}
	}
	m.seq = c.do("messages", "send", body, "POST", "", body)
	c.said = append(c.said, m)
	return m
}

// change edits a message, reacts to it, and deletes every third.
func (c *changer) change(m *said) {
	at := fmt.Sprint("/", m.seq)
	m.text = fmt.Sprintf("edited %s, %d", m.cid, c.n)
	c.do("edits", "edit", object{"seq": m.seq, "text": m.text}, "PATCH", at, object{"text": m.text})
	m.emoji = []string{"👍", "🎉"}[c.n%2]
	c.do("reactions", "react", object{"seq": m.seq, "emoji": m.emoji}, "PUT", at+"/reactions/"+url.PathEscape(m.emoji), nil)
	if c.n%3 == 0 {
		m.deleted = true
		c.do("deletions", "delete", object{"seq": m.seq}, "DELETE", at, nil)
	}
}

func (c *changer) mark(seq int64) {
	if c.overSocket {
		c.command("marks", "mark", object{"read": seq})
	} else {
		c.http("marks", "POST", "/v1/conversations/"+c.conv+"/marks", object{"read": seq}, nil)
	}
	c.marked = seq
}

// open lets the guest out, or in.
func (c *changer) open() {
	path := "/v1/conversations/" + c.conv + "/members/" + c.guest.name
	if c.inside {
		c.http("leaves", "DELETE", path, nil, nil)
	} else {
		c.http("joins", "PUT", path, nil, nil)
	}
	c.inside = !c.inside
}

// did counts what was acknowledged.
func (c *changer) did(what string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.done[what]++
}

// letChange waits until every changer has deleted something, which is what it
// does last.
func (s *scene) letChange(changers []*changer) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		lazy := slices.ContainsFunc(changers, func(c *changer) bool { return c.done["deletions"] == 0 || c.guest != nil && c.done["joins"] == 0 })
		s.mu.Unlock()
		if !lazy {
			return
		}
	}
}

// do does something over the changer's transport, and returns the seq of the
// answer, if that has one.
func (c *changer) do(what, command string, args object, method, path string, body any) int64 {
	if c.overSocket {
		return c.command(what, command, args)
	}
	var ack struct{ Seq int64 }
	c.http(what, method, "/v1/conversations/"+c.conv+"/messages"+path, body, &ack)
	return ack.Seq
}

func (c *changer) http(what, method, path string, body, into any) {
	for again := false; ; again = true {
		status, answer, err := c.u.raw(method, c.s.at()+path, body)
		if err == nil && into != nil && len(answer) > 0 && status < 300 {
			err = json.Unmarshal(answer, into)
		}
		switch {
		case err == nil && status < 300, err == nil && status == 404 && again && what == "leaves": // it was done before
			c.did(what)
			return
		case err == nil && status != 503:
			c.s.wrong("%s %s: %d", method, path, status)
			return
		}
	}
}

// command runs a command over a WebSocket and waits for its answer.
func (c *changer) command(what, name string, args object) int64 {
	args["conv"] = c.conv
	for {
		if c.wire == nil && !c.connect() {
			continue
		}
		send, _ := json.Marshal(object{"id": c.n, name: args})
		err := c.wire.write(text(string(send)))
		for err == nil {
			var msg []byte
			msg, err = c.wire.message(patience)
			for raw := range bytes.SplitSeq(msg, []byte{'\n'}) {
				var l line
				if json.Unmarshal(raw, &l) != nil || string(l.ID) != fmt.Sprint(c.n) {
					continue
				}
				switch {
				case l.Ack != nil:
					c.did(what)
					return l.Ack.Seq
				case l.Error != nil && l.Error.Code != "unavailable":
					c.s.wrong("%s: %s", send, raw)
					return 0
				}
			}
		}
		_ = c.wire.conn.Close()
		c.wire = nil
	}
}

func (c *changer) connect() bool {
	w, _, err := open(hostOf(c.s.at()), "/v1/ws", nil)
	if err != nil || w == nil {
		return false
	}
	if w.write(text(fmt.Sprintf(`{"id":"c","connect":{"token":%q}}`, c.u.token))) != nil {
		_ = w.conn.Close()
		return false
	}
	c.wire = w
	return true
}

// judgeChanges compares what was acknowledged with what is stored, and what
// readers were told with each other.
func (s *scene) judgeChanges(conv *conversation, changers []*changer, readers []*reader) {
	s.t.Helper()
	stored := map[string]event{}
	for _, m := range s.history(conv) {
		if _, twice := stored[m.CID]; twice {
			s.wrong("%s is stored twice", m.CID)
		}
		stored[m.CID] = m
	}
	total := map[string]int{}
	for _, c := range changers {
		for _, m := range c.said {
			c.compare(m, stored[m.cid])
		}
		for what, n := range c.done {
			total[what] += n
		}
		c.compareState()
	}
	var seq struct {
		LastSeq int64 `json:"last_seq"`
	}
	conv.people[0].must(s.t, "GET", s.at()+"/v1/conversations/"+conv.id, nil, &seq)
	s.compareLogs(conv, readers, seq.LastSeq)
	s.t.Logf("beside them, acknowledged: %v; %d events in the group", total, seq.LastSeq)
	for _, what := range []string{"messages", "attachments", "edits", "reactions", "deletions", "marks", "leaves", "joins"} {
		if total[what] == 0 {
			s.t.Errorf("no %s: that was no test", what)
		}
	}
}

// compare tells what is wrong about a message.
func (c *changer) compare(m *said, got event) {
	var held, reacted string
	if len(got.Attachments) > 0 {
		held = got.Attachments[0].ID
	}
	for _, r := range got.Reactions {
		if slices.Contains(r.Users, c.u.name) {
			reacted += r.Emoji
		}
	}
	if m.deleted {
		m.text, m.emoji = "", ""
	}
	want := m.blob
	if m.deleted {
		want = ""
	}
	if got.Seq != m.seq || got.Text != m.text || got.Deleted != m.deleted || held != want || reacted != m.emoji {
		c.s.wrong("acknowledged %+v, stored %+v", *m, got)
	}
	if m.blob == "" {
		return
	}
	status, b, err := c.u.raw("GET", c.s.at()+"/v1/blobs/"+m.blob, nil)
	if err != nil || m.deleted && status != 404 || !m.deleted && (status != 200 || !bytes.Equal(b, m.content)) {
		c.s.wrong("the attachment of %s (deleted %v): %d, %d bytes of %d, %v", m.cid, m.deleted, status, len(b), len(m.content), err)
	}
}

// compareState looks at marks, and whether the guest is in.
func (c *changer) compareState() {
	var page struct {
		Members []struct {
			Username string
			Read     int64
		}
	}
	c.u.must(c.s.t, "GET", c.s.at()+"/v1/conversations/"+c.conv+"/members", nil, &page)
	guest := false
	for _, m := range page.Members {
		if m.Username == c.u.name && m.Read < c.marked {
			c.s.wrong("%s read up to %d, and %d is stored", m.Username, c.marked, m.Read)
		}
		guest = guest || c.guest != nil && m.Username == c.guest.name
	}
	if guest != c.inside {
		c.s.wrong("the guest is in: %v, not %v", guest, c.inside)
	}
}

// compareLogs waits until the readers who were there all the time know all, and
// compares what each was told, in order; others know a part of that.
func (s *scene) compareLogs(conv *conversation, readers []*reader, last int64) {
	var whole []string
	for _, r := range readers {
		if r.u.name == "dan" {
			continue
		}
		log := r.history(conv.id, last)
		if int64(len(log)) != last {
			s.wrong("%s was told %d of %d events", r, len(log), last)
		}
		if whole == nil {
			whole = log
		}
		if !slices.Equal(whole, log) {
			s.wrong("%s was told something else than %s", r, readers[0])
		}
	}
	for _, r := range readers {
		for _, told := range r.history(conv.id, 0) {
			if !slices.Contains(whole, told) {
				s.wrong("%s was told %q, and nobody else", r, told)
			}
		}
	}
}

// history is what a reader was told of a conversation, once that is up to a seq.
func (r *reader) history(conv string, last int64) []string {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		r.mu.Lock()
		at, log := r.lastSeq[conv], slices.Clone(r.log[conv])
		r.mu.Unlock()
		if at >= last || time.Now().After(end) {
			return log
		}
	}
}
