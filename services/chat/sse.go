package chat

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// sseEvery is after how much silence a comment shows that the stream is alive.
const sseEvery = 15 * time.Second

// stream is server-sent events: a session without commands.
func (c *Chat) stream(w http.ResponseWriter, r *http.Request, who *identity, from *resumption) error {
	if !c.begin() {
		return errUnavailable
	}
	defer c.work.Done()
	t := &sseTransport{w: w, ctl: http.NewResponseController(w), epoch: c.store.Epoch(), ready: make(chan struct{})}
	s := newSession(c, t)
	s.done = make(chan struct{})
	s.signIn(who)
	if !c.hub.join(s, c.config().Limits.Connections) {
		return errConnections
	}
	c.arrived(s)
	rep, err := c.beginStream(r, s, who, from)
	if err != nil {
		t.close() // the answer is an error, and not the stream's
		close(t.ready)
		s.leave()
		return err
	}
	c.open(s)
	defer c.forget(s)
	defer c.env.Track(nil, s.drain)()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // nginx would collect the events
	w.WriteHeader(http.StatusOK)
	close(t.ready)
	c.wheel.add(s, time.Second)
	if rep.reset {
		s.reply(&item{kind: itemReset, cursor: rep.upTo})
	}
	if _, err := s.catchUp(r.Context(), rep); err != nil {
		c.blame(err)
		s.close(closeResume, "resume again")
	}
	select {
	case <-s.done:
	case <-r.Context().Done():
		s.leave()
	}
	return nil
}

func (c *Chat) beginStream(r *http.Request, s *session, who *identity, from *resumption) (replay, error) {
	if _, err := c.authenticate(r.Context(), who.token); err != nil {
		return replay{}, err
	}
	return c.startReplay(r.Context(), s.user.ID, from, true)
}

// leave ends a session whose client is gone and waits for the last write.
func (s *session) leave() {
	s.gone()
	<-s.done
}

// sseTransport writes items as server-sent events. The session's flush writes,
// in a goroutine of its own; the handler stays until that is over, because w is
// good only so long.
type sseTransport struct {
	w     http.ResponseWriter
	epoch string
	ready chan struct{} // closed when the head of the answer was written
	buf   bytes.Buffer  // of an offer

	mu  sync.Mutex // setting deadlines: abort comes from another goroutine
	ctl *http.ResponseController
	cut bool // guarded by mu
}

// offer implements transport: writing to w may wait.
func (t *sseTransport) offer(batch []*item) (bool, error) {
	t.buf.Reset()
	for _, it := range batch {
		switch it.kind {
		case itemEvent:
			if it.cursor != 0 {
				fmt.Fprintf(&t.buf, "id: %s:%d\n", t.epoch, it.cursor)
			}
			fmt.Fprintf(&t.buf, "data: %s\n\n", it.data)
		case itemSynced:
			fmt.Fprintf(&t.buf, "id: %s:%d\nevent: synced\ndata: {\"cursor\":%d}\n\n", t.epoch, it.cursor, it.cursor)
		case itemReset:
			fmt.Fprintf(&t.buf, "event: reset\ndata: {\"epoch\":%q,\"cursor\":%d}\n\n", t.epoch, it.cursor)
		case itemPing:
			t.buf.WriteString(":\n\n")
		case itemClose:
			fmt.Fprintf(&t.buf, "event: close\ndata: %s\n\n", it.data)
		}
	}
	return false, nil
}

// rest implements transport.
func (t *sseTransport) rest() error {
	<-t.ready
	if err := t.deadline(drainTimeout); err != nil {
		return err
	}
	if _, err := t.w.Write(t.buf.Bytes()); err != nil {
		return err
	}
	if t.buf.Cap() > batchBytes {
		t.buf = bytes.Buffer{}
	}
	return t.ctl.Flush()
}

// deadline bounds the next write. What does not support it has its own.
func (t *sseTransport) deadline(d time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cut {
		return http.ErrHandlerTimeout
	}
	_ = t.ctl.SetWriteDeadline(time.Now().Add(d))
	return nil
}

func (t *sseTransport) keepalive() (time.Duration, bool) { return sseEvery, false }

// close leaves the connection to the next request, which has its own deadlines.
func (t *sseTransport) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cut = true
	_ = t.ctl.SetWriteDeadline(time.Time{})
}

func (t *sseTransport) abort() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.cut {
		t.cut = true
		_ = t.ctl.SetWriteDeadline(time.Now())
	}
}
