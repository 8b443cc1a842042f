package photos

import (
	"context"
	"errors"
	"strconv"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/store"
)

// deliver writes an event to those of the streams that it belongs to, as far as
// who listens may see it by now. What is gone again is left out.
func (l *listening) deliver(ctx context.Context, ev store.Event) error {
	ctx, cancel := context.WithTimeout(ctx, streamWait)
	defer cancel()
	v, err := l.viewer(ctx)
	if err != nil {
		return err
	}
	d := &delivery{listening: l, ctx: ctx, v: v, r: l.p.rendererOf(ctx, l.base, v), ev: ev}
	switch ev.Kind {
	case store.FiltersChanged:
		err = d.send("filters_changed", "undefined")
	case store.Noticed:
		err = d.notice()
	case store.StatusDeleted:
		err = d.deletion()
	default:
		err = d.status()
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, account.ErrNotFound) {
		return nil
	}
	return err
}

// A delivery is one event for one listener.
type delivery struct {
	*listening
	ctx context.Context
	v   viewer
	r   *renderer
	ev  store.Event
}

// send writes to all streams that want the event.
func (d *delivery) send(name, payload string) error {
	for _, s := range d.subscribed() {
		if s.wants(d.ev, d.owner.User) {
			if err := d.out.write(s, name, payload); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *delivery) notice() error {
	if !allows(d.v.session.Scopes, "read:notifications") {
		return nil
	}
	n, err := d.p.store.Notice(d.ctx, d.v.user.ID, d.ev.Notice.ID)
	if err != nil {
		return err
	}
	list, err := d.r.notifications([]store.Notice{n})
	if err != nil || len(list) == 0 {
		return err
	}
	payload, err := marshal(list[0])
	if err != nil {
		return err
	}
	return d.send("notification", payload)
}

// deletion tells of a post that those who listen might have seen.
func (d *delivery) deletion() error {
	if err := d.r.learn([]int64{d.ev.Status.Author}); err != nil {
		return err
	}
	if !d.r.sees(d.ev.Status) {
		return nil
	}
	return d.send("delete", strconv.FormatInt(d.ev.Status.ID, 10))
}

// status tells of a post that is new or was changed.
func (d *delivery) status() error {
	s, err := d.p.store.Status(d.ctx, d.ev.Status.ID)
	if err != nil {
		return err
	}
	e, err := d.r.status(s)
	if err != nil {
		return err // ErrNotFound where it is not for this viewer
	}
	payload, err := marshal(e)
	if err != nil {
		return err
	}
	name := "update"
	if d.ev.Kind == store.StatusEdited {
		name = "status.update"
	}
	for _, st := range d.subscribed() {
		if !st.wants(d.ev, d.owner.User) {
			continue
		}
		if st.name == "direct" {
			if err := d.conversation(st, s); err != nil {
				return err
			}
			continue
		}
		shows, err := d.shows(st, s)
		if err != nil {
			return err
		}
		if shows {
			if err := d.out.write(st, name, payload); err != nil {
				return err
			}
		}
	}
	return nil
}

// shows tells whether a stream has a post that its viewer may see.
func (d *delivery) shows(st stream, s store.Status) (bool, error) {
	switch {
	case st.name == "user":
		return d.p.store.InHome(d.ctx, d.v.user.ID, s.ID)
	case st.name == "list":
		return d.p.store.InList(d.ctx, st.list, s.ID)
	case d.v.signedIn() && d.v.user.ID != s.Author:
		muted, err := d.p.store.Muted(d.ctx, d.v.user.ID, s.Author)
		return !muted, err
	}
	return true, nil
}

// conversation tells that a conversation of direct posts went on.
func (d *delivery) conversation(st stream, s store.Status) error {
	c, err := d.p.store.ConversationOf(d.ctx, d.v.user.ID, s.Thread)
	if err != nil {
		return err
	}
	list, err := d.r.conversations([]store.Conversation{c})
	if err != nil || len(list) == 0 {
		return err
	}
	payload, err := marshal(list[0])
	if err != nil {
		return err
	}
	return d.out.write(st, "conversation", payload)
}
