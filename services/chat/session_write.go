package chat

import (
	"time"
)

// firstOut is the room that a queue begins with, for the few events that come at
// the same time.
const firstOut = 4

// queue needs mu.
func (s *session) queue(it *item) {
	s.count(it, +1)
	if s.out == nil {
		s.out = make([]*item, 0, firstOut)
	}
	s.out = append(s.out, it)
}

// reply sends what the client waits for: answers, or pieces of replay. It blocks
// while too much is queued, which keeps the client's further commands in the
// socket. False means that the session is ending.
func (s *session) reply(its ...*item) bool {
	if !s.awaitRoom() {
		return false
	}
	s.mu.Lock()
	if s.ending != nil || s.broken {
		s.mu.Unlock()
		return false
	}
	for _, it := range its {
		s.queue(it)
	}
	mine := !s.writing
	s.writing = true
	s.mu.Unlock()
	if mine { // there is no need for another goroutine
		s.flush(false)
	}
	return true
}

// awaitRoom waits until there is room for an answer.
func (s *session) awaitRoom() bool {
	var timeout <-chan time.Time
	for {
		s.mu.Lock()
		over, room := s.ending != nil || s.broken, s.asked.bytes < replyRoom
		if !over && !room && s.room == nil {
			s.room = make(chan struct{}, 1)
		}
		written := s.room
		s.mu.Unlock()
		if over || room {
			return !over
		}
		if timeout == nil {
			t := time.NewTimer(drainTimeout)
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-written:
		case <-timeout:
			s.close(closeSlow, "too slow")
		}
	}
}

// startFlush needs mu. One of the writers will write.
func (s *session) startFlush() {
	if s.writing || len(s.out) == 0 && s.ending == nil {
		return
	}
	s.writing = true
	s.chat.writers.add(s)
}

// flush writes what is queued. Only one runs at a time, as writing says. Unless
// it may wait it leaves a client that does not keep up to a goroutine of its own.
func (s *session) flush(mayWait bool) {
	for {
		batch, ok := s.take()
		if !ok {
			return
		}
		all, err := s.tr.offer(batch)
		if !all && err == nil && !mayWait {
			s.chat.writers.aside(func() {
				s.wrote(batch, s.rest())
				s.flush(true)
			})
			return
		}
		if !all && err == nil {
			err = s.rest()
		}
		s.wrote(batch, err)
	}
}

// rest waits for the client, who is slow if that takes long.
func (s *session) rest() error {
	s.mu.Lock()
	s.resting = s.chat.wheel.moment(time.Now())
	s.mu.Unlock()
	return s.tr.rest()
}

// take cuts the next batch off the queue. Where there is none it ends the
// flush, and the session, if that is what it comes to.
func (s *session) take() (batch []*item, ok bool) {
	s.mu.Lock()
	if !s.broken && len(s.out) > 0 {
		n, size := 0, 0
		for n < len(s.out) && (n == 0 || size+len(s.out[n].data) <= batchBytes) {
			size += len(s.out[n].data)
			n++
		}
		batch = s.out[:n:n]
		if s.out = s.out[n:]; len(s.out) == 0 {
			s.out = nil // an idle session keeps no buffer
		}
		s.mu.Unlock()
		return batch, true
	}
	if s.broken || s.ending != nil {
		broken := s.broken
		s.out, s.wait = nil, nil
		s.mu.Unlock() // writing stays true: nobody starts another flush
		s.finish(broken)
		return nil, false
	}
	s.writing = false
	s.mu.Unlock()
	return nil, false
}

// wrote gives the room of a batch back.
func (s *session) wrote(batch []*item, err error) {
	s.lastSent.Store(s.chat.wheel.moment(time.Now()))
	s.mu.Lock()
	for _, it := range batch {
		s.count(it, -1)
	}
	s.resting = 0
	if err != nil {
		s.broken = true
		if s.ending == nil {
			s.ending = &ending{}
		}
	}
	written := s.room
	s.mu.Unlock()
	signal(written)
}

// signal leaves a token where somebody waits for one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
