package chat

import (
	"context"
	"encoding/json"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

// maxMalformed is the malformed line that ends a connection.
const maxMalformed = 3

// retryFull spreads the clients that come back to find all places taken.
var retryFull = &reconnect{MinMS: 30_000, MaxMS: 60_000}

// A commander runs what a client sends over a connection, in order. Only who
// reads the connection uses it.
type commander struct {
	s         *session
	header    *identity // from the handshake's Authorization; nil: connect has the token
	malformed int
}

// ctx is that of all commands: they are not undone where their client leaves.
func (c *commander) ctx() context.Context { return c.s.chat.ctx }

// sends are read but not run yet.
type sends struct {
	cmds []*sendCommand
	ids  []json.RawMessage
}

// frame runs the lines of one frame. Sends that follow one another share a
// commit.
func (c *commander) frame(frame []byte) {
	lines, err := splitFrame(frame)
	if err != nil {
		c.s.close(closeTooBig, err.Error())
		return
	}
	var due sends
	for _, line := range lines {
		cmd, bad := decodeLine(line)
		if cmd.Send != nil && c.s.user.ID != 0 {
			due.cmds, due.ids = append(due.cmds, cmd.Send), append(due.ids, cmd.id)
			continue
		}
		c.runSends(&due)
		if bad != nil {
			c.fail(bad.id, badRequest(bad.msg))
			if bad.malformed {
				c.malformed++
			}
			if c.malformed >= maxMalformed {
				c.s.close(closeBadRequests, "three malformed lines")
				return
			}
			continue
		}
		c.run(cmd)
		if c.s.over() {
			return
		}
	}
	c.runSends(&due)
}

func (c *commander) runSends(due *sends) {
	if len(due.cmds) == 0 {
		return
	}
	var answers []*item
	for i, r := range c.s.chat.send(c.ctx(), c.s.user, due.cmds) {
		answers = append(answers, c.answerTo(due.ids[i], "ack", r.ack, r.err))
	}
	c.s.reply(answers...)
	*due = sends{}
}

func (c *commander) run(cmd command) {
	switch {
	case cmd.pong:
	case cmd.Connect != nil:
		c.connect(cmd.id, cmd.Connect)
	case c.s.user.ID == 0:
		c.fail(cmd.id, &Error{Code: CodeUnauthorized, Message: "connect first"})
	default:
		name, answer, err := "", any(nil), c.s.chat.allowCall(c.s.user.ID)
		if err == nil {
			name, answer, err = c.do(cmd)
		}
		if cmd.id != nil {
			c.answer(cmd.id, name, answer, err)
		} else if err != nil {
			c.s.chat.blame(err) // nobody waits for it
		}
	}
}

// do runs a command of somebody who is signed in and returns the name of the
// answer and what it says.
func (c *commander) do(cmd command) (name string, answer any, err error) {
	chat, ctx, me := c.s.chat, c.ctx(), c.s.user
	switch {
	case cmd.Mark != nil:
		return "ack", map[string]string{"conv": cmd.Mark.Conv}, chat.mark(ctx, me, cmd.Mark)
	case cmd.Typing != nil:
		return "ack", map[string]string{"conv": cmd.Typing.Conv}, chat.typing(ctx, me, cmd.Typing)
	case cmd.Watch != nil:
		return "ack", struct{}{}, chat.watch(ctx, c.s, cmd.Watch)
	case cmd.History != nil:
		answer, err = chat.history(ctx, me, cmd.History)
		return "history", answer, err
	case cmd.Conversations != nil:
		answer, err = chat.conversations(ctx, me, cmd.Conversations)
		return "conversations", answer, err
	case cmd.Create != nil:
		answer, _, err = chat.create(ctx, me, cmd.Create)
		return "conversation", answer, err
	case cmd.Edit != nil:
		answer, err = chat.edit(ctx, me, cmd.Edit)
	case cmd.Delete != nil:
		answer, err = chat.remove(ctx, me, cmd.Delete)
	case cmd.React != nil:
		answer, err = chat.react(ctx, me, cmd.React)
	}
	return "ack", answer, err
}

// connect signs the session in and brings it up to date.
func (c *commander) connect(id json.RawMessage, cmd *connectCommand) {
	s, chat := c.s, c.s.chat
	if s.user.ID != 0 {
		c.fail(id, badRequest("already connected"))
		return
	}
	who := c.header
	c.header = nil // not kept for as long as the connection lasts
	if who == nil {
		var err error
		if who, err = chat.authenticate(c.ctx(), cmd.Token); err != nil {
			c.refuse(id, err)
			return
		}
	}
	s.signIn(who)
	if !chat.hub.join(s, chat.config().Limits.Connections) {
		c.fail(id, errConnections)
		s.closeWith(closeTryLater, "too many connections", retryFull)
		return
	}
	// From here on a revocation finds the session; one that came before must
	// not slip through.
	if _, err := chat.authenticate(c.ctx(), who.token); err != nil {
		c.refuse(id, err)
		return
	}
	chat.arrived(s)
	if err := c.resume(id, cmd.Resume); err != nil {
		c.fail(id, err)
		s.close(closeResume, "resume again")
	}
}

// refuse ends a connection whose token is no good; where that could not be found
// out the client may come again.
func (c *commander) refuse(id json.RawMessage, err error) {
	c.fail(id, err)
	if pub, _ := publicError(err); pub.Code == CodeUnauthorized || pub.Code == CodeForbidden {
		c.s.close(closeToken, "the token is not valid")
		return
	}
	c.s.close(closeResume, "resume again")
}

func (c *commander) resume(id json.RawMessage, cmd *resumeCommand) error {
	s, chat := c.s, c.s.chat
	var from *resumption
	if cmd != nil {
		from = &resumption{cmd.Epoch, cmd.Cursor}
	}
	r, err := chat.startReplay(c.ctx(), s.user.ID, from, true)
	if err != nil {
		return err
	}
	cfg := chat.config()
	s.reply(&item{data: encodeAnswer(id, "connect", connectJSON{
		User: s.user.Username, Session: s.authID, Epoch: chat.store.Epoch(), Cursor: r.upTo,
		Resumed: r.plan != nil, Reset: r.reset, Ping: cfg.Ping.Seconds(), Time: formatTime(time.Now().UnixMilli()),
		Limits: map[string]int{"text": int(cfg.MaxText)},
	})})
	_, err = s.catchUp(c.ctx(), r)
	return err
}

// answer sends v, or the error in its place.
func (c *commander) answer(id json.RawMessage, name string, v any, err error) {
	c.s.reply(c.answerTo(id, name, v, err))
}

func (c *commander) answerTo(id json.RawMessage, name string, v any, err error) *item {
	if err != nil {
		return &item{data: encodeAnswer(id, "error", c.s.chat.blame(err))}
	}
	return &item{data: encodeAnswer(id, name, v)}
}

func (c *commander) fail(id json.RawMessage, err error) { c.answer(id, "", nil, err) }

// signIn sets who the session is. The hub does not know it yet.
func (s *session) signIn(who *identity) {
	s.user = store.Person{ID: who.user.ID, Username: who.user.Username}
	s.authID = who.session.ID
	s.mu.Lock()
	s.connected = true
	s.mu.Unlock()
}

// over says that the session is ending.
func (s *session) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending != nil || s.broken
}

// who implements subscriber.
func (s *session) who() (int64, string) { return s.user.ID, s.authID }

// revoke implements subscriber.
func (s *session) revoke() { s.close(closeToken, "signed out") }
