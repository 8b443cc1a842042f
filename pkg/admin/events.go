package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/porticod/portico/pkg/admin/watch"
)

// The least and the most seconds between two views of a stream.
const (
	minInterval = 1
	maxInterval = 60
)

func (s *Server) look() *watch.Sample { return watch.Take(s.opts.Metrics, s.opts.Status) }

// serveView answers with what the daemon did since its start.
func (s *Server) serveView(w http.ResponseWriter, _ *http.Request) {
	select {
	case s.looks <- struct{}{}:
		defer func() { <-s.looks }()
	default:
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusServiceUnavailable, "unavailable", "too many look already")
		return
	}
	answer(w, http.StatusOK, watch.SinceStart(s.look()))
}

// serveEvents sends a view at once, and another every so often, until the
// client goes or the server closes: server-sent events, each with a watch.View.
// "end" is the last event where it is the server that ends it.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	every, err := interval(r.FormValue("seconds"))
	if err != nil {
		fail(w, http.StatusBadRequest, "bad_seconds", err.Error())
		return
	}
	viewer, err := s.hub.Join()
	if err != nil {
		w.Header().Set("Retry-After", "10")
		fail(w, http.StatusServiceUnavailable, "unavailable", fmt.Sprintf("no live view now: %v", err))
		return
	}
	defer viewer.Leave()
	e := events{w: w, rc: http.NewResponseController(w)}
	if e.begin() != nil {
		return
	}
	silent := time.NewTicker(heartbeat)
	defer silent.Stop()
	var before *watch.Sample
	for {
		select {
		case <-r.Context().Done():
			return
		case <-viewer.Gone():
			_ = e.send("event: end\ndata: {}\n\n") // it ends one way or the other
			return
		case now := <-viewer.Samples():
			if before != nil && now.Since(before) < every-lookEvery/2 {
				continue
			}
			err = e.view(watch.Compare(before, now))
			before = now
		case <-silent.C:
			err = e.send("event: beat\ndata: {}\n\n")
		}
		if err != nil {
			return // the client is gone or does not read
		}
	}
}

// interval understands how often a client wants a view.
func interval(text string) (time.Duration, error) {
	if text == "" {
		return minInterval * time.Second, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < minInterval || n > maxInterval {
		return 0, fmt.Errorf("seconds is a number from %d to %d", minInterval, maxInterval)
	}
	return time.Duration(n) * time.Second, nil
}

// events is a stream on its way to one client.
type events struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (e events) begin() error {
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	return e.send("retry: 1000\n\n")
}

func (e events) view(v watch.View) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return e.send("data: " + string(b) + "\n\n")
}

// send writes text, within eventTimeout.
func (e events) send(text string) error {
	if err := e.rc.SetWriteDeadline(time.Now().Add(eventTimeout)); err != nil {
		return err
	}
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.rc.Flush()
}
