package chat

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A reader follows what is pushed to one user, over one transport, and comes back
// where it was whenever the connection breaks.
type reader struct {
	s    *scene
	u    *user
	name string
	once func(*reader, context.Context) // one connection

	mu      sync.Mutex
	epoch   string
	cursor  int64
	resumes int
	lastSeq map[string]int64
	read    map[string][]event  // messages of a conversation
	log     map[string][]string // all that counts in it
}

// newReader starts at the present.
func newReader(s *scene, u *user, name string, once func(*reader, context.Context)) *reader {
	s.t.Helper()
	r := &reader{s: s, u: u, name: name, once: once, lastSeq: map[string]int64{}, read: map[string][]event{}, log: map[string][]string{}}
	var at struct {
		Epoch  string
		Cursor int64
	}
	u.must(s.t, "GET", s.base+"/v1/events", nil, &at)
	r.epoch, r.cursor = at.Epoch, at.Cursor
	return r
}

func (r *reader) String() string { return r.u.name + "'s " + r.name }

func (r *reader) in(c *conversation) bool { return slices.Contains(c.people, r.u) }

func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		r.once(r, ctx)
	}
}

// take notes an event.
func (r *reader) take(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Cursor == 0 {
		return // typing and presence
	}
	if e.Cursor <= r.cursor {
		r.s.wrong("%s got cursor %d after %d: %+v", r, e.Cursor, r.cursor, e)
	}
	r.cursor = e.Cursor
	switch e.Type {
	case "mark", "conversation": // they are state, no steps of the conversation
	default:
		back := e.Action == "added" && e.User == r.u.name // he did not see what came before
		if before := r.lastSeq[e.Conv]; e.Seq != before+1 && (!back || e.Seq <= before) {
			r.s.wrong("%s got seq %d of %s after %d (%s)", r, e.Seq, e.Conv, before, e.Type)
		}
		r.lastSeq[e.Conv] = e.Seq
		r.log[e.Conv] = append(r.log[e.Conv], fmt.Sprint(e.Seq, " ", e.Type, " ", e.From, " ", e.CID, e.Target, e.Action, e.User))
	}
	if e.Type == "message" {
		r.read[e.Conv] = append(r.read[e.Conv], e)
	}
}

// synced is a position without an event.
func (r *reader) synced(cursor int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cursor < r.cursor {
		r.s.wrong("%s is synced to %d after cursor %d", r, cursor, r.cursor)
	}
	r.cursor = cursor
}

// position is where to go on.
func (r *reader) position() (epoch string, cursor int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epoch, r.cursor
}

func (r *reader) resumed(epoch string, reset bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resumes++
	if epoch != r.epoch || reset {
		r.s.wrong("%s could not resume: epoch %s, then %s; reset %v", r, r.epoch, epoch, reset)
	}
}

// all waits for the message with the last seq and returns the messages.
func (r *reader) all(conv string, lastSeq int64) []event {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		r.mu.Lock()
		got := slices.Clone(r.read[conv])
		r.mu.Unlock()
		if len(got) > 0 && got[len(got)-1].Seq >= lastSeq {
			return got
		}
		if time.Now().After(end) {
			r.s.wrong("%s still waits for seq %d of %s", r, lastSeq, conv)
			return got
		}
	}
}

// socket reads over a WebSocket.
func (r *reader) socket(ctx context.Context) {
	c, _, err := open(hostOf(r.s.at()), "/v1/ws", nil)
	if err != nil || c == nil {
		return
	}
	defer c.conn.Close()
	defer context.AfterFunc(ctx, func() { _ = c.conn.Close() })()
	epoch, cursor := r.position()
	if c.write(text(fmt.Sprintf(`{"id":1,"connect":{"token":%q,"resume":{"epoch":%q,"cursor":%d}}}`, r.u.token, epoch, cursor))) != nil {
		return
	}
	for {
		msg, err := c.message(time.Minute)
		if err != nil {
			return
		}
		for raw := range bytes.SplitSeq(msg, []byte{'\n'}) {
			var l line
			if err := json.Unmarshal(raw, &l); err != nil {
				r.s.wrong("%s: %q: %v", r, raw, err)
			}
			switch {
			case l.Connect != nil:
				r.resumed(l.Connect.Epoch, l.Connect.Reset || !l.Connect.Resumed)
			case l.Synced != nil:
				r.synced(l.Synced.Cursor)
			case l.Ev != nil:
				r.take(*l.Ev)
			case string(raw) == "{}":
				_ = c.write(text("{}"))
			}
		}
	}
}

// get asks for events.
func (r *reader) get(ctx context.Context, query string, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", r.s.at()+"/v1/events"+query, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.u.token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := (&http.Client{Transport: r.u.client.Transport}).Do(req)
	if err == nil && res.StatusCode != 200 {
		_ = res.Body.Close()
		err = fmt.Errorf("status %d", res.StatusCode)
	}
	return res, err
}

// stream reads server-sent events.
func (r *reader) stream(ctx context.Context) {
	epoch, cursor := r.position()
	res, err := r.get(ctx, "", "Accept", "text/event-stream", "Last-Event-ID", fmt.Sprintf("%s:%d", epoch, cursor))
	if err != nil {
		return
	}
	defer res.Body.Close()
	sc := bufio.NewScanner(res.Body)
	sc.Buffer(nil, 1<<20)
	fields := map[string]string{}
	first := true
	for sc.Scan() {
		if name, value, ok := strings.Cut(sc.Text(), ": "); ok {
			fields[name] = value
			continue
		}
		if fields["data"] == "" {
			continue
		}
		if id, _, _ := strings.Cut(fields["id"], ":"); first {
			r.resumed(id, fields["event"] == "reset")
			first = false
		}
		var e event
		if err := json.Unmarshal([]byte(fields["data"]), &e); err != nil {
			r.s.wrong("%s: %v: %v", r, fields, err)
		}
		switch fields["event"] {
		case "":
			r.take(e)
			if want := fmt.Sprintf("%s:%d", epoch, e.Cursor); e.Cursor != 0 && fields["id"] != want {
				r.s.wrong("%s: the id is %s, not %s", r, fields["id"], want)
			}
		case "synced":
			r.synced(e.Cursor)
		}
		clear(fields)
	}
}

// poll reads one answer of a long poll.
func (r *reader) poll(ctx context.Context) {
	epoch, cursor := r.position()
	res, err := r.get(ctx, fmt.Sprintf("?epoch=%s&after=%d&wait=5", epoch, cursor))
	if err != nil {
		return
	}
	defer res.Body.Close()
	var page struct {
		Epoch  string
		Cursor int64
		Events []event
		Reset  bool
	}
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
		return // killed amid the answer
	}
	r.resumed(page.Epoch, page.Reset)
	for _, e := range page.Events {
		r.take(e)
	}
	r.synced(page.Cursor)
}
