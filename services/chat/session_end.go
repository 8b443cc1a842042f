package chat

import "time"

// close ends the session after what is queued was written. It returns at once
// and only the first call counts.
func (s *session) close(code int, reason string) { s.closeWith(code, reason, nil) }

func (s *session) closeWith(code int, reason string, back *reconnect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(code, reason, back)
}

// end needs mu. A client that is too slow gets nothing more but the close: what
// it misses is in the log.
func (s *session) end(code int, reason string, back *reconnect) {
	if s.ending != nil {
		return
	}
	line, frames := lastFrames(code, reason, back)
	s.endWith(&item{kind: itemClose, data: line, frame: frames}, code, reason)
}

// lastFrames is what a client is told last: the line that says why, and the
// frames of it and of the close.
func lastFrames(code int, reason string, back *reconnect) (line, frames []byte) {
	line = encodeClose(code, reason, back)
	return line, appendClose(appendFrame(nil, opText, line), code, reason)
}

// endWith needs mu.
func (s *session) endWith(last *item, code int, reason string) {
	s.ending = &ending{code, reason}
	s.wait = nil
	if code == closeSlow {
		s.out = nil // still counted: nothing is pushed any more
	}
	s.queue(last)
	s.startFlush()
}

// closedBy ends the session because its client closed it: the answer is the same
// code, after what is queued (RFC 6455, section 5.5.1).
func (s *session) closedBy(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending == nil {
		s.endWith(&item{kind: itemClose, frame: appendClose(nil, code, "")}, code, "")
	}
}

// drain is how the daemon asks the session to end.
func (s *session) drain(code int) {
	if code == closeRestart {
		s.closeWith(code, "restart", s.chat.reconnectAfterRestart())
		return
	}
	s.close(code, "removed")
}

func (c *Chat) reconnectAfterRestart() *reconnect {
	return &reconnect{MinMS: 0, MaxMS: c.config().Drain.Milliseconds()}
}

// gone says that the client is gone: there is nobody to write to.
func (s *session) gone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
	if s.ending == nil {
		s.ending = &ending{}
	}
	s.startFlush()
	signal(s.room)
}

// finish is the last thing that a session does, once.
func (s *session) finish(broken bool) {
	s.chat.left(s)
	if broken {
		s.tr.abort()
	} else {
		s.tr.close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	signal(s.room)
	if s.done != nil {
		close(s.done)
	}
}

// received notes that the client said something.
func (s *session) received() {
	s.lastRecv.Store(s.chat.wheel.moment(time.Now()))
	s.mu.Lock()
	s.pinged = 0
	s.mu.Unlock()
}

// tick is the session's share of the wheel: the time to connect, pings and the
// time to answer them.
func (s *session) tick(now time.Time) time.Duration {
	at := s.chat.wheel.moment(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ending != nil:
		return 0
	case !s.connected:
		if wait := connectTimeout - time.Duration(at-s.born); wait > 0 {
			return min(wait, time.Second) // it may connect, and Ping may be short
		}
		s.end(closeNoConnect, "no connect in time", nil)
		return 0
	case s.pinged != 0:
		if wait := pongTimeout - time.Duration(at-s.pinged); wait > 0 {
			return wait
		}
		s.end(closeNoPong, "no answer to a ping", nil)
		return 0
	case s.state != live: // the replay is alive by itself, and bounded by drainTimeout
		return time.Second
	}
	every, answered := s.tr.keepalive()
	if every == 0 {
		every = s.chat.config().Ping
	}
	silent := time.Duration(at - min(s.lastRecv.Load(), s.lastSent.Load()))
	if silent < every {
		return every - silent
	}
	s.queue(&item{kind: itemPing})
	s.startFlush()
	if !answered {
		s.lastRecv.Store(at)
		s.lastSent.Store(at)
		return every
	}
	s.pinged = at
	return pongTimeout
}
