package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// A writer sends messages to one conversation, and each again until it is
// acknowledged.
type writer struct {
	s    *scene
	u    *user
	conv string
	name string
	n    int
}

// draft is the next message.
func (w *writer) draft() (cid, text string) {
	w.n++
	cid = fmt.Sprintf("%s-%d", w.name, w.n)
	return cid, "text of " + cid
}

// post writes over HTTP, one message at a time.
func (w *writer) post() {
	for !w.s.stopping() {
		cid, text := w.draft()
		for {
			var ack struct {
				Seq int64
				Dup bool
			}
			status, err := w.u.call("POST", w.s.at()+"/v1/conversations/"+w.conv+"/messages", map[string]string{"cid": cid, "text": text}, &ack)
			if err == nil && (status == 200 || status == 201) {
				if ack.Dup != (status == 200) {
					w.s.wrong("%s: status %d and dup %v", cid, status, ack.Dup)
				}
				w.s.ack(w.conv, cid, ack.Seq, ack.Dup)
				break
			}
			if err == nil && status != 503 {
				w.s.wrong("%s was refused with %d", cid, status)
				return
			}
		}
	}
}

// socket writes over WebSockets, several messages a frame.
func (w *writer) socket() {
	pending := map[string]string{}
	for len(pending) > 0 || !w.s.stopping() {
		w.session(pending)
	}
}

// session writes over one connection, beginning with what is pending, until it
// breaks or all is said.
func (w *writer) session(pending map[string]string) {
	c, _, err := open(hostOf(w.s.at()), "/v1/ws", nil)
	if err != nil || c == nil {
		return
	}
	defer c.conn.Close()
	if c.write(text(fmt.Sprintf(`{"id":0,"connect":{"token":%q}}`, w.u.token))) != nil {
		return
	}
	for {
		for len(pending) < 1+w.n%8 && !w.s.stopping() {
			cid, text := w.draft()
			pending[cid] = text
		}
		if len(pending) == 0 {
			return
		}
		var lines strings.Builder
		for cid, text := range pending {
			fmt.Fprintf(&lines, "{\"id\":%q,\"send\":{\"conv\":%q,\"cid\":%q,\"text\":%q}}\n", cid, w.conv, cid, text)
		}
		if c.write(text(lines.String())) != nil || !w.collect(c, pending) {
			return
		}
	}
}

// collect takes acknowledgements until nothing is pending.
func (w *writer) collect(c *wire, pending map[string]string) bool {
	for len(pending) > 0 {
		msg, err := c.message(patience)
		if err != nil {
			return false
		}
		for raw := range bytes.SplitSeq(msg, []byte{'\n'}) {
			if !bytes.HasPrefix(raw, []byte(`{"id":"`)) {
				continue // an event; readers look at those
			}
			var l line
			if err := json.Unmarshal(raw, &l); err != nil {
				w.s.wrong("%s: %v", raw, err)
				return false
			}
			switch {
			case l.Error != nil && l.Error.Code == "unavailable":
				return false
			case l.Ack == nil || pending[l.Ack.CID] == "" || string(l.ID) != `"`+l.Ack.CID+`"`:
				w.s.wrong("an answer that nobody waits for: %s", raw)
				return false
			}
			w.s.ack(w.conv, l.Ack.CID, l.Ack.Seq, l.Ack.Dup)
			delete(pending, l.Ack.CID)
		}
	}
	return true
}

func hostOf(base string) string { return strings.TrimPrefix(base, "http://") }
