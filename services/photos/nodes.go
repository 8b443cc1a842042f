package photos

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

// What is published here other nodes hear over the bus, and the other way round.
// The bus may lose it: who listens then is cut off, and reads the store again.

// busLook is how often a node looks at the bus.
const busLook = time.Second

// topicOf is a name that only the nodes of one store know.
func topicOf(ctx context.Context, st store.Store) (string, error) {
	secret, err := st.Secret(ctx, "bus")
	if err != nil {
		return "", fmt.Errorf("open photos: %w", err)
	}
	return "photos." + hex.EncodeToString(secret[:8]), nil
}

// A message is an event as it travels: what it takes to find out who wants it.
// What they see of it is read from the store.
type message struct {
	Kind   eventKind     `json:"kind"`
	Post   *messagePost  `json:"post,omitempty"`
	Notice *store.Notice `json:"notice,omitempty"`
	User   int64         `json:"user,omitempty"`
	Calls  []calls       `json:"calls,omitempty"`
}

type messagePost struct {
	ID         int64            `json:"id"`
	Author     int64            `json:"author"`
	Visibility store.Visibility `json:"visibility"`
	Reply      bool             `json:"reply,omitempty"`
	Pictures   bool             `json:"pictures,omitempty"`
	Mentions   []int64          `json:"mentions,omitempty"`
	Tags       []string         `json:"tags,omitempty"`
}

func encodeEvent(ev event) ([]byte, error) {
	m := message{Kind: ev.kind, User: ev.user, Calls: ev.calls}
	switch ev.kind {
	case eventUpdate, eventEdit, eventDelete:
		s := ev.status
		m.Post = &messagePost{s.ID, s.Author, s.Visibility, s.Reply, len(s.Media) > 0, s.Mentions, s.Tags}
	case eventNotice:
		m.Notice = &ev.notice
	}
	return json.Marshal(m)
}

// decodeEvent reads what encodeEvent wrote. Of other versions of the program may
// come what this one does not know.
func decodeEvent(data []byte) (ev event, err error) {
	var m message
	if err := json.Unmarshal(data, &m); err != nil {
		return ev, fmt.Errorf("read event: %w", err)
	}
	ev = event{kind: m.Kind, user: m.User, calls: m.Calls}
	switch {
	case m.Kind == 0 || m.Kind > eventCalls:
		return ev, fmt.Errorf("read event: kind %d is not known", m.Kind)
	case m.Kind == eventNotice && m.Notice == nil, m.Kind <= eventDelete && m.Post == nil:
		return ev, fmt.Errorf("read event: one of kind %d is empty", m.Kind)
	case m.Kind == eventNotice:
		ev.notice = *m.Notice
	case m.Kind <= eventDelete:
		s := m.Post
		ev.status = store.Status{ID: s.ID, Author: s.Author, Visibility: s.Visibility, Reply: s.Reply, Mentions: s.Mentions, Tags: s.Tags}
		if s.Pictures {
			ev.status.Media = make([]store.Media, 1)
		}
	}
	return ev, nil
}

// send is publish for other nodes.
func (p *Photos) send(ev event) {
	if !p.bus.Others() {
		return
	}
	data, err := encodeEvent(ev)
	if err != nil {
		p.log.Error().Err(err).Msg("other nodes are not told of an event")
		return
	}
	p.bus.Publish(p.topic, data)
}

// hear takes what other nodes sent.
func (p *Photos) hear(batch [][]byte) {
	for _, data := range batch {
		ev, err := decodeEvent(data)
		switch {
		case err != nil:
			p.log.Debug().Err(err).Msg("an event of another node is left out")
		case ev.kind == eventJobs:
			p.pokeLanes()
		case ev.kind == eventLost:
			p.cutStreams()
		case ev.kind == eventCalls:
			p.quota.hear(ev.calls, time.Now())
		default:
			p.tell(ev)
		}
	}
}

// cutStreams has those who listen connect again: they may have missed something.
func (p *Photos) cutStreams() { p.hub.each(func(l *listener) { l.end(endSlow) }) }

// watchBus tells other nodes of the calls that they have to count too, and finds
// out when the bus has lost something, of either direction.
func (p *Photos) watchBus(ctx context.Context) {
	if !p.store.Shared() && !p.bus.Others() {
		<-ctx.Done()
		return
	}
	p.quota.share()
	tick := time.NewTicker(busLook)
	defer tick.Stop()
	away, lost := false, p.lost()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if list := p.quota.tell(); len(list) > 0 {
			p.send(event{kind: eventCalls, calls: list})
		}
		if !p.bus.Healthy() {
			away = true
			continue
		}
		if n := p.lost(); away || n != lost {
			away, lost = false, n
			p.log.Info().Msg("the bus lost something; streams begin anew")
			p.cutStreams()
			p.send(event{kind: eventLost})
		}
	}
}

// lost counts what this node did not hear, and others did not hear of it.
func (p *Photos) lost() uint64 {
	s := p.bus.Stats()
	return s.TooLarge + s.Unsent + s.Unheard
}

// holdTime is how long a node has what it took, unless it says that it goes on:
// so long others wait where it died.
const holdTime = time.Minute

// every calls fn from time to time until stop returns.
func every(ctx context.Context, pause time.Duration, fn func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fn(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// turn runs fn where this node does the work that has a name for all. No other
// does it within rest.
func (p *Photos) turn(ctx context.Context, name string, rest time.Duration, fn func(context.Context)) {
	if !p.store.Shared() {
		fn(ctx)
		return
	}
	began := time.Now()
	take := func(ctx context.Context) bool {
		now := time.Now()
		until := now.Add(holdTime)
		if end := began.Add(rest); end.After(until) {
			until = end
		}
		ok, err := p.store.TakeTurn(ctx, name, p.node, now, until)
		if err != nil {
			p.complain(ctx, err, "it is not known who keeps house")
		}
		return ok
	}
	if !take(ctx) {
		return
	}
	defer every(ctx, holdTime/3, func(ctx context.Context) { take(ctx) })()
	fn(ctx)
}
