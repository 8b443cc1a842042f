package photos

import (
	"net/http"
	"time"
)

// serveEvents is a stream as server-sent events, in exactly Mastodon's form.
func (p *Photos) serveEvents(w http.ResponseWriter, r *http.Request, name string) error {
	token, _ := bearer(r.Header.Get("Authorization"))
	if token == "" {
		token = r.URL.Query().Get("access_token")
	}
	l, v, err := p.listen(w, r, token)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if name == "" {
		name = q.Get("stream")
	}
	if q.Get("only_media") == "true" && (name == "public" || name == "public:local" || name == "public:remote") {
		name += ":media"
	}
	s, err := p.open(r.Context(), v, name, q.Get("tag"), q.Get("list"))
	if err != nil {
		return err
	}
	if err := l.subscribe(s); err != nil {
		return err
	}
	if err := p.attend(r.Context(), l.listener); err != nil {
		return err
	}
	defer p.hub.leave(l.listener)
	defer p.track(nil, l.listener)()
	out := &eventStream{w: w, ctl: http.NewResponseController(w)}
	l.out = out
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // nginx would collect the events
	w.WriteHeader(http.StatusOK)
	if out.thump() == nil { // so that the client sees that it is connected
		l.run(r.Context())
	}
	return nil
}

// An eventStream writes server-sent events.
type eventStream struct {
	w   http.ResponseWriter
	ctl *http.ResponseController
}

func (e *eventStream) write(_ stream, event, payload string) error {
	return e.send("event: " + event + "\ndata: " + payload + "\n\n")
}

func (e *eventStream) thump() error { return e.send(":thump\n") }

func (e *eventStream) send(text string) error {
	// What has no deadlines of its own is bounded by the server's.
	_ = e.ctl.SetWriteDeadline(time.Now().Add(streamWait))
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.ctl.Flush()
}

func (e *eventStream) tell(string) error { return nil }

func (e *eventStream) close(int, string) {} // the handler returns
