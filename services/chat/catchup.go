package chat

import (
	"context"
	"errors"
	"fmt"

	"github.com/porticod/portico/services/chat/store"
)

const (
	replayPage = 200 // events read at a time
	// closeGap is the gap that is read while live events are held back; larger
	// ones are read first with the session deaf, so that its queue stays small
	// however long the client takes.
	closeGap = 500
)

// resumption is where a client wants to go on.
type resumption struct {
	epoch  string
	cursor int64
}

// A replay is what lies between a client's position and the present.
type replay struct {
	plan  store.Plan
	upTo  int64
	reset bool
}

// startReplay decides whether from can be resumed and plans what was missed.
// Without from there is nothing to replay and nothing to reset. pushed says that
// what comes afterwards is pushed: then the replay ends where the hub is, else
// where the store is.
func (c *Chat) startReplay(ctx context.Context, user int64, from *resumption, pushed bool) (replay, error) {
	at, good, err := c.stands(ctx, from, pushed)
	if err != nil {
		return replay{}, err
	}
	if pushed {
		if good && !c.reach(ctx, from.cursor) {
			return replay{}, errUnavailable
		}
		at = c.hub.position()
	}
	if !good {
		return replay{upTo: at, reset: from != nil}, nil
	}
	plan, err := c.store.Plan(ctx, user, from.cursor, at, c.config().ResumeLimit)
	switch {
	case errors.Is(err, store.ErrTooMany):
		return replay{upTo: at, reset: true}, nil
	case err != nil:
		return replay{}, fmt.Errorf("plan replay: %w", err)
	}
	return replay{plan: plan, upTo: at}, nil
}

// catchUp writes what r holds and what happened since, then synced, and leaves
// the session live: strictly growing cursors, each event once. It reads on as
// the client takes what was written. False means that the session is ending.
func (s *session) catchUp(ctx context.Context, r replay) (bool, error) {
	for {
		var ok bool
		var err error
		if r.upTo, ok, err = s.readOn(ctx, r); !ok || err != nil {
			return false, err
		}
		if !s.synced && !s.reply(&item{kind: itemSynced, cursor: r.upTo}) {
			return false, nil
		}
		s.synced = true
		if s.release() {
			return true, nil
		}
		r.plan = nil // more was lost meanwhile
	}
}

// readOn writes what r holds and what happened since, and leaves the session held: at
// which position.
func (s *session) readOn(ctx context.Context, r replay) (upTo int64, ok bool, err error) {
	holding := false
	for {
		if r.plan != nil {
			if ok, err := s.replay(ctx, r.plan); !ok || err != nil {
				return 0, ok, err
			}
		}
		if holding {
			return r.upTo, true, nil
		}
		// The further passes have no limit: the client was told that it resumes.
		next := s.chat.hub.position()
		plan, err := s.chat.store.Plan(ctx, s.user.ID, r.upTo, next, 1<<30)
		if err != nil {
			return 0, false, fmt.Errorf("plan replay: %w", err)
		}
		if plan.Len() <= closeGap {
			at := next
			next, holding = s.chat.hub.hold(s), true
			if next != at { // more happened just now
				if plan, err = s.chat.store.Plan(ctx, s.user.ID, r.upTo, next, 1<<30); err != nil {
					return 0, false, fmt.Errorf("plan replay: %w", err)
				}
			}
		}
		r = replay{plan: plan, upTo: next}
	}
}

func (s *session) replay(ctx context.Context, plan store.Plan) (bool, error) {
	for plan.Len() > 0 {
		events, err := plan.Load(ctx, replayPage)
		if err != nil {
			return false, fmt.Errorf("read replay: %w", err)
		}
		var its []*item
		size := 0
		for i := range events {
			its = append(its, newEventItem(events[i].Cursor, s.chat.encodeEvent(&events[i], s.user.ID)))
			if size += len(its[len(its)-1].data); size < replyRoom/2 && i < len(events)-1 {
				continue
			}
			if !s.reply(its...) {
				return false, nil
			}
			its, size = nil, 0
		}
	}
	return true, nil
}
