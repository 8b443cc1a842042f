package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/account"
)

// frozenVersion is that of the record. Who cannot read it closes the connection,
// and the client resumes.
const frozenVersion = 1

// frozenRetry is after how long a connection is looked at again that was amid
// something.
const frozenRetry = 5 * time.Millisecond

// frozen is all that a connection needs to go on in another process, beside its
// descriptor. Nothing of what came is in it, because a connection is frozen
// between two frames and the rest lies in the kernel still.
type frozen struct {
	Version   int     `json:"v"`
	User      int64   `json:"user"`
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

// Freeze takes connections out of the service, without a word to their clients,
// so that another process can go on with them: plain TCP WebSockets that are
// signed in, each at the end of a frame in both directions, with nothing that
// is yet to be written. give gets a duplicate of the descriptor, which it must
// close, and the record for Thaw. Who is amid something is waited for until ctx
// ends. All others (TLS, event streams, long polls, who has not said who he is)
// are left as they are, to be drained as ever. It returns how many it gave.
func (c *Chat) Freeze(ctx context.Context, give func(fd *os.File, record []byte)) (given int) {
	for {
		again := false
		for _, s := range c.everySession() {
			fd, record, err := c.freeze(ctx, s)
			switch {
			case errors.Is(err, errAmid):
				again = true
			case err == nil:
				give(fd, record)
				given++
			}
		}
		if !again {
			return given
		}
		select {
		case <-ctx.Done():
			return given
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

func (c *Chat) freeze(ctx context.Context, s *session) (*os.File, []byte, error) {
	t, ok := s.tr.(*wsConn)
	if !ok || t.raw == nil || !s.signedIn() {
		return nil, nil, errNotFrozen
	}
	if !t.busy.CompareAndSwap(false, true) {
		return nil, nil, errAmid
	}
	if !t.dec.atBoundary() {
		t.park()
		return nil, nil, errAmid
	}
	cursor, watched, err := c.hub.detach(s)
	if err != nil {
		t.park()
		return nil, nil, err
	}
	f := frozen{Version: frozenVersion, User: s.user.ID, Session: s.authID, Epoch: c.store.Epoch(), Cursor: cursor, Watched: watched, Malformed: t.cmd.malformed}
	if f.Pinged, err = s.silence(ctx); err != nil {
		s.drain(closeRestart) // it is deaf now
		t.park()
		return nil, nil, err
	}
	defer t.abort() // the duplicate keeps the connection
	record, err := json.Marshal(f)
	if err != nil {
		return nil, nil, fmt.Errorf("freeze a connection: %w", err)
	}
	fd, err := duplicate(t.raw)
	return fd, record, err
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

// silence waits until all is written, and sees to it that nothing is any more.
// It says whether the client owes the answer to a ping.
func (s *session) silence(ctx context.Context) (pinged bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.writing || len(s.out) > 0 {
		if s.quiet == nil {
			s.quiet = make(chan struct{})
		}
		quiet := s.quiet
		s.startFlush()
		s.mu.Unlock()
		select {
		case <-quiet:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if s.broken || s.ending != nil || ctx.Err() != nil {
			return false, errNotFrozen
		}
	}
	s.ending, s.writing = &ending{}, true
	return s.pinged != 0, nil
}

// signedIn says that it is known whose session it is.
func (s *session) signedIn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connected
}

func duplicate(raw syscall.RawConn) (*os.File, error) {
	var fd int
	var err error
	cerr := raw.Control(func(old uintptr) {
		syscall.ForkLock.RLock() // no child gets it
		defer syscall.ForkLock.RUnlock()
		if fd, err = syscall.Dup(int(old)); err == nil {
			syscall.CloseOnExec(fd)
		}
	})
	if err := errors.Join(cerr, err); err != nil {
		return nil, fmt.Errorf("duplicate the descriptor of a connection: %w", err)
	}
	return os.NewFile(uintptr(fd), "websocket"), nil
}

// Thaw goes on with a connection that another process has frozen, as after a
// resume that its client sees nothing of: it gets what happened since, and then
// what happens. It takes conn, also where it returns an error.
func (c *Chat) Thaw(conn net.Conn, record []byte) error {
	var f frozen
	if err := json.Unmarshal(record, &f); err != nil || f.Version != frozenVersion {
		return errors.Join(fmt.Errorf("go on with a connection: record of version %d", f.Version), err, conn.Close())
	}
	if !c.begin() {
		return errors.Join(errUnavailable, conn.Close())
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
	c.work.Go(func() {
		if err := c.goOn(s, f); err != nil {
			c.blame(err)
			s.close(closeResume, "resume again")
		}
		c.wheel.add(s, time.Second)
		t.begin(nil)
	})
	return nil
}

// goOn signs a session in as it was, and brings it up to date.
func (c *Chat) goOn(s *session, f frozen) error {
	who, err := c.stillGood(f)
	if err != nil {
		return err
	}
	if who == nil {
		s.close(closeToken, "signed out")
		return nil
	}
	s.signIn(who)
	if !c.hub.join(s, c.config().Limits.Connections) {
		s.closeWith(closeTryLater, "too many connections", retryFull)
		return nil
	}
	if again, err := c.stillGood(f); err != nil || again == nil { // as connect does
		s.close(closeToken, "signed out")
		return err
	}
	c.arrived(s)
	c.hub.watch(s, f.Watched)
	r, err := c.startReplay(c.ctx, s.user.ID, &resumption{f.Epoch, f.Cursor}, true)
	if err != nil {
		return err
	}
	if r.reset {
		s.close(closeResume, "resume again")
		return nil
	}
	_, err = s.catchUp(c.ctx, r)
	return err
}

// stillGood is who a frozen connection belongs to; nil if its session ended, or
// its user may not connect any more.
func (c *Chat) stillGood(f frozen) (*identity, error) {
	user, err := c.accounts.User(c.ctx, f.User)
	if errors.Is(err, account.ErrNotFound) || err == nil && user.Suspended {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	sessions, err := c.accounts.Sessions(c.ctx, f.User, c.env.Label())
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(sessions, func(s account.Session) bool { return s.ID == f.Session })
	if i < 0 {
		return nil, nil
	}
	return &identity{user: user, session: sessions[i]}, nil
}
