package store

import (
	"context"
	"errors"
	"time"
)

// EventLife is how long events are kept where the store is Shared.
const EventLife = time.Minute

// ErrGap: events after a position are not kept any more.
var ErrGap = errors.New("events are missing")

// EventKind says what happened. The numbers are stored.
type EventKind uint8

// The kinds of events.
const (
	StatusAdded    EventKind = 1
	StatusEdited   EventKind = 2
	StatusDeleted  EventKind = 3
	Noticed        EventKind = 4 // somebody is told of something
	FiltersChanged EventKind = 5 // of somebody
)

// An Event is something that somebody who listens may want to hear of. It says
// where to look; the truth is in the rows.
type Event struct {
	Kind EventKind
	At   int64 // where it stands; 0 where the store is not Shared
	// Status is the post that it is about, a deleted one as it was. Where the store is
	// Shared it has only what says who may see it: id, author, visibility, mentions,
	// tags, whether it is an answer and whether it has pictures.
	Status Status
	Notice Notice
	User   int64 // of FiltersChanged
}

// Events keeps what those who listen are told of: new posts that were not there
// before, changes of them, the end of those that their author or an operator deletes,
// notices, and changes of filters.
type Events interface {
	// OnEvents has fn called with what happened, after it is durable, in order. Where
	// the store is Shared the list is empty: what happened, here or at another node, is
	// to be read. It is set before the store is used, and must not block.
	OnEvents(fn func([]Event))
	// LastEvent is the position of the last event of a store that is Shared.
	LastEvent(ctx context.Context) (at int64, err error)
	// EventsAfter returns events of a store that is Shared, in order, and the position
	// of the last of them: those of up to limit requests. more says that there may be
	// more. ErrGap: some of those after the position are not kept any more.
	EventsAfter(ctx context.Context, after int64, limit int) (list []Event, last int64, more bool, err error)
}
