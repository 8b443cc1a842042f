package photos

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

// Nodes tell one another over the bus what makes them quicker. It may be lost: what
// happened stands in the database, and where jobs wait each node finds out.

// tellEvery is how often other nodes are told of calls.
const tellEvery = time.Second

// topicOf is a name that only the nodes of one store know.
func topicOf(ctx context.Context, st store.Store) (string, error) {
	secret, err := st.Secret(ctx, "bus")
	if err != nil {
		return "", fmt.Errorf("open photos: %w", err)
	}
	return "photos." + hex.EncodeToString(secret[:8]), nil
}

// A message is what one node tells the others.
type message struct {
	Events bool    `json:"events,omitempty"` // something happened: those who listen may want to hear of it
	Jobs   bool    `json:"jobs,omitempty"`   // there is background work
	Calls  []calls `json:"calls,omitempty"`  // that count for the others' limits, too
}

// send tells other nodes.
func (p *Photos) send(m message) {
	if !p.bus.Others() {
		return
	}
	if data, err := json.Marshal(m); err == nil { // it always can
		p.bus.Publish(p.topic, data)
	}
}

// hear takes what other nodes sent.
func (p *Photos) hear(batch [][]byte) {
	for _, data := range batch {
		var m message
		if json.Unmarshal(data, &m) != nil {
			continue // of a program that says it otherwise
		}
		if m.Events {
			p.follower.heard.Add(1)
			nudge(p.follower.word)
		}
		if m.Jobs {
			p.pokeLanes()
		}
		p.quota.hear(m.Calls, time.Now())
	}
}

// tellCalls tells other nodes of the calls that they have to count too.
func (p *Photos) tellCalls(ctx context.Context) {
	p.quota.share()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if list := p.quota.tell(); len(list) > 0 {
			p.send(message{Calls: list})
		}
	}
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
