package chat

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

const (
	maxWait     = 60 // seconds a long poll may ask for
	maxPollPage = 500
)

type eventsJSON struct {
	Epoch  string            `json:"epoch"`
	Cursor int64             `json:"cursor"`
	Events []json.RawMessage `json:"events"`
	More   bool              `json:"more,omitempty"`
	Reset  bool              `json:"reset,omitempty"`
}

// getEvents is the long poll, and the event stream for who asks for one.
func (c *Chat) getEvents(w http.ResponseWriter, r *http.Request, who *identity) error {
	from, err := position(r)
	if err != nil {
		return err
	}
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		return c.stream(w, r, who, from)
	}
	wait, err := intParam(r, "wait")
	if err != nil {
		return err
	}
	var patience time.Duration
	if wait != nil {
		patience = time.Duration(min(max(*wait, 0), maxWait)) * time.Second
	}
	if from == nil {
		patience = 0 // whoever has no position gets one, at once
	}
	answer, err := c.poll(r, who, from, patience)
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, answer)
	return nil
}

// position reads where to go on: Last-Event-ID, which EventSource sends when it
// comes back, or epoch and after.
func position(r *http.Request) (*resumption, error) {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		epoch, n, _ := strings.Cut(id, ":")
		cursor, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			return nil, badRequest("Last-Event-ID must be epoch:cursor")
		}
		return &resumption{epoch, cursor}, nil
	}
	after, err := intParam(r, "after")
	if after == nil || err != nil {
		return nil, err
	}
	epoch := r.URL.Query().Get("epoch")
	if epoch == "" {
		return nil, badRequest("after needs the epoch that came with the cursor")
	}
	return &resumption{epoch, *after}, nil
}

// A waiter is a long poll: it is woken by the first event and then reads.
type waiter struct {
	user   store.Person
	authID string
	waits  bool // or it only looks
	woken  chan struct{}

	once  sync.Once
	ended chan struct{} // closed when it should answer with what there is
	gone  bool          // the token is not valid any more; set before ended
}

func (p *waiter) who() (int64, string) { return p.user.ID, p.authID }
func (p *waiter) hold()                {}
func (p *waiter) lag(int64)            { p.push(&item{}) }
func (p *waiter) present() bool        { return p.waits }
func (p *waiter) push(its ...*item) {
	if !slices.ContainsFunc(its, func(it *item) bool { return !it.passing() }) {
		return // it could not be told: only what is stored is read
	}
	select {
	case p.woken <- struct{}{}:
	default:
	}
}
func (p *waiter) revoke() { p.once.Do(func() { p.gone = true; close(p.ended) }) }
func (p *waiter) drain(int) {
	p.once.Do(func() { close(p.ended) })
}

// poll answers with events after from, or waits for one.
func (c *Chat) poll(r *http.Request, who *identity, from *resumption, patience time.Duration) (eventsJSON, error) {
	p := &waiter{user: who.person(), authID: who.session.ID, waits: patience > 0, woken: make(chan struct{}, 1), ended: make(chan struct{})}
	if !c.hub.join(p, c.config().Limits.Connections) {
		return eventsJSON{}, errConnections
	}
	c.arrived(p)
	defer c.left(p)
	if _, err := c.authenticate(r.Context(), who.token); err != nil {
		return eventsJSON{}, err
	}
	done := c.env.Track(nil, p.drain)
	defer done()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		answer, err := c.page(r, p, from)
		if err != nil || patience == 0 || answer.Reset || len(answer.Events) > 0 {
			return answer, err
		}
		from = &resumption{answer.Epoch, answer.Cursor}
		select {
		case <-p.woken:
		case <-timeout.C:
			return answer, nil
		case <-r.Context().Done():
			return answer, r.Context().Err()
		case <-c.ctx.Done():
			return answer, nil
		case <-p.ended:
			if p.gone {
				return eventsJSON{}, errToken
			}
			return answer, nil
		}
	}
}

// page reads what lies after from, without waiting.
func (c *Chat) page(r *http.Request, p *waiter, from *resumption) (eventsJSON, error) {
	rep, err := c.startReplay(r.Context(), p.user.ID, from, false)
	if err != nil {
		return eventsJSON{}, err
	}
	answer := eventsJSON{Epoch: c.store.Epoch(), Cursor: rep.upTo, Reset: rep.reset, Events: []json.RawMessage{}}
	if rep.plan == nil {
		return answer, nil
	}
	for rep.plan.Len() > 0 && len(answer.Events) == 0 { // a page may turn out empty
		events, err := rep.plan.Load(r.Context(), maxPollPage)
		if err != nil {
			return eventsJSON{}, fmt.Errorf("read events: %w", err)
		}
		for i := range events {
			answer.Events = append(answer.Events, c.encodeEvent(&events[i], p.user.ID))
			answer.Cursor = events[i].Cursor
		}
	}
	if answer.More = rep.plan.Len() > 0; !answer.More {
		answer.Cursor = rep.upTo
	}
	return answer, nil
}
