package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/service"
)

// frozenVersion is that of the record. Who cannot read it closes the connection,
// and the client resumes.
const frozenVersion = 1

const (
	// frozenRetry is after how long a connection is looked at again that was amid
	// something.
	frozenRetry = 5 * time.Millisecond
	// thawMost is how many connections are brought up to date at a time, and
	// thawPatience how long another one waits for them: they may wait for clients.
	thawMost     = 64
	thawPatience = time.Second
)

// frozen is all that a connection needs to go on in another process, beside its
// descriptor. Nothing of what came is in it, because a connection is frozen
// between two frames and the rest lies in the kernel still.
type frozen struct {
	Version   int     `json:"v"`
	User      int64   `json:"user"`
	Name      string  `json:"name"`
	Session   string  `json:"session"` // of the account
	Epoch     string  `json:"epoch"`
	Cursor    int64   `json:"cursor"` // everything up to here was written
	Watched   []int64 `json:"watched,omitempty"`
	Malformed int     `json:"malformed,omitempty"`
	Pinged    bool    `json:"pinged,omitempty"` // an answer to a ping is due
}

var (
	errNotFrozen = errors.New("this connection cannot go on elsewhere")
	errAmid      = errors.New("this connection is amid something")
)

// Freezes implements service.Freezer: plain TCP WebSockets can be frozen, once
// they are signed in. All others (TLS, event streams, long polls) cannot.
func (c *Chat) Freezes(conn net.Conn) bool {
	t, ok := conn.(*wsConn)
	return ok && t.plain() && !t.cmd.s.over()
}

// Freeze implements service.Freezer: it takes each connection at the end of a
// frame in both directions, with nothing that is yet to be written.
func (c *Chat) Freeze(ctx context.Context, give func(service.Frozen)) {
	_, last := lastFrames(closeRestart, "restart", c.reconnectAfterRestart())
	c.keepOnce.Do(func() { // those who come later are news to whoever was frozen
		if err := c.keepPresence(); err != nil {
			c.failures.Warn().Err(err).Msg("who was online is not known to the next process")
		}
	})
	var claimed []*freezing
	amid := c.everySession()
	for {
		amid = slices.DeleteFunc(amid, func(s *session) bool {
			z, err := c.claim(s)
			if err == nil {
				claimed = append(claimed, z)
			}
			return !errors.Is(err, errAmid) || ctx.Err() != nil
		})
		claimed = slices.DeleteFunc(claimed, func(z *freezing) bool {
			err := z.silence()
			switch {
			case err == nil:
				z.hand(give, last)
			case !errors.Is(err, errAmid):
				z.t.park() // it ends by itself
			}
			return !errors.Is(err, errAmid)
		})
		if len(amid) == 0 && len(claimed) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			for _, z := range claimed {
				z.giveUp()
			}
			return
		case <-time.After(frozenRetry):
		}
	}
}

func (c *Chat) everySession() []*session {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*session, 0, len(c.sessions))
	for s := range c.sessions {
		all = append(all, s)
	}
	return all
}

// freezing is a connection that is not read any more and to which nothing is
// pushed any more.
type freezing struct {
	t *wsConn
	f frozen
}

// claim takes a connection that is between two frames of its client's off the
// poller and the hub.
func (c *Chat) claim(s *session) (*freezing, error) {
	t, ok := s.tr.(*wsConn)
	if !ok || !t.plain() || !s.signedIn() {
		return nil, errNotFrozen
	}
	if !t.busy.CompareAndSwap(false, true) {
		return nil, errAmid
	}
	if !t.dec.atBoundary() {
		t.park()
		return nil, errAmid
	}
	cursor, watched, err := c.hub.detach(s)
	if err != nil {
		t.park()
		return nil, err
	}
	return &freezing{t, frozen{
		Version: frozenVersion, User: s.user.ID, Name: s.user.Username, Session: s.authID,
		Epoch: c.store.Epoch(), Cursor: cursor, Watched: watched, Malformed: t.cmd.malformed,
	}}, nil
}

// detach takes a live session off the hub, and returns the position up to which
// it was handed everything, and whom it watches.
func (h *hub) detach(s *session) (cursor int64, watched []int64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ending != nil || s.broken:
		return 0, nil, errNotFrozen
	case s.state != live:
		return 0, nil, errAmid
	}
	s.state = deaf
	watched = slices.Clone(s.watched)
	h.forget(s)
	h.unwatch(s)
	return h.visible, watched, nil
}

// silence sees to it that nothing is written any more, if all is.
func (z *freezing) silence() error {
	s := z.t.cmd.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ending != nil || s.broken:
		return errNotFrozen
	case s.writing || len(s.out) > 0:
		s.startFlush()
		return errAmid
	}
	s.ending, s.writing = &ending{}, true
	z.f.Pinged = s.pinged != 0
	return nil
}

// hand gives the connection away. The copy that was taken of it keeps it open.
func (z *freezing) hand(give func(service.Frozen), last []byte) {
	defer z.t.abort()
	record, err := json.Marshal(z.f)
	if err != nil { // there is nothing in it that cannot be written
		z.t.cmd.s.chat.log.Error().Err(err).Msg("freeze a connection")
		return
	}
	give(service.Frozen{Conn: z.t.Conn, Record: record, Farewell: last})
}

// giveUp ends a session that is deaf and whose client does not take what was
// written.
func (z *freezing) giveUp() {
	z.t.cmd.s.drain(closeRestart)
	z.t.park()
}

// signedIn says that it is known whose session it is.
func (s *session) signedIn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connected
}

// Thaw implements service.Freezer: it goes on as after a resume that the client
// sees nothing of. The client gets what happened since, and then what happens.
func (c *Chat) Thaw(conn net.Conn, record []byte) error {
	var f frozen
	if err := json.Unmarshal(record, &f); err != nil {
		return fmt.Errorf("go on with a connection: %w", err)
	}
	if f.Version != frozenVersion || f.User == 0 {
		return fmt.Errorf("go on with a connection: record of version %d", f.Version)
	}
	if !c.begin() {
		return errUnavailable
	}
	defer c.work.Done()
	t := newWSConn(c, conn, nil)
	s := t.cmd.s
	t.busy.Store(true)
	t.cmd.malformed = f.Malformed
	s.synced = true
	if f.Pinged {
		s.pinged = s.born
	}
	c.open(s)
	t.tracked(c.env.Track(t, s.drain))
	done := c.awaitThaw()
	c.work.Go(func() {
		if err := c.goOn(s, f); err != nil {
			c.blame(err)
			s.close(closeResume, "resume again")
		}
		done()
		c.wheel.add(s, time.Second)
		t.begin(nil)
	})
	return nil
}

// awaitThaw waits for one of thawMost places, which done gives back.
func (c *Chat) awaitThaw() (done func()) {
	late := time.NewTimer(thawPatience)
	defer late.Stop()
	select {
	case c.thaws <- struct{}{}:
		return func() { <-c.thaws }
	case <-late.C:
		return func() {}
	}
}

// goOn signs a session in as it was, and brings it up to date.
func (c *Chat) goOn(s *session, f frozen) error {
	s.signIn(&identity{user: account.User{ID: f.User, Username: f.Name}, session: account.Session{ID: f.Session}})
	if !c.hub.join(s, c.config().Limits.Connections) {
		s.closeWith(closeTryLater, "too many connections", retryFull)
		return nil
	}
	// From here on a revocation finds the session; one that came before must not
	// slip through.
	if good, err := c.stillGood(f); err != nil {
		return err
	} else if !good {
		s.close(closeToken, "signed out")
		return nil
	}
	c.stays(f.User)
	c.hub.watch(s, f.Watched)
	_, good, err := c.stands(c.ctx, &resumption{f.Epoch, f.Cursor}, true)
	if err != nil || !good || !c.reach(c.ctx, f.Cursor) {
		s.close(closeResume, "resume again")
		return err
	}
	_, err = s.catchUp(c.ctx, replay{upTo: f.Cursor})
	return err
}

// stillGood says whether the account session of a frozen connection goes on, and
// its user may connect.
func (c *Chat) stillGood(f frozen) (bool, error) {
	user, err := c.accounts.User(c.ctx, f.User)
	if errors.Is(err, account.ErrNotFound) || err == nil && (user.Suspended || user.Username != f.Name) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	sessions, err := c.accounts.Sessions(c.ctx, f.User, c.env.Label())
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(sessions, func(s account.Session) bool { return s.ID == f.Session }), nil
}
