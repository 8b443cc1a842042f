package logging

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	queueBytes = 1 << 20  // of lines that wait
	keepBytes  = 64 << 10 // of the buffer, when it is empty
	pieceBytes = 4 << 10  // written at a time: as much as a pipe takes whole (PIPE_BUF)
)

// ErrStuck is what Close says where nobody takes what is left.
var ErrStuck = errors.New("nobody takes what is logged")

// A Queue is a writer of lines that never waits: a goroutine of its own writes
// them to out, so that a reader who stalls (a journal that restarts, a full
// pipe) stalls nobody who logs. It holds 1 MiB; lines beyond that are dropped,
// counted, and told of by one line as soon as there is room. It is safe for
// concurrent use.
type Queue struct {
	out  io.Writer
	told func(dropped int) []byte // the line that tells
	wake chan struct{}
	done chan struct{}

	mu      sync.Mutex
	waiting []byte // guarded by mu
	spare   []byte // what waiting was before; guarded by mu
	dropped int    // not told of yet; guarded by mu
	closed  bool   // guarded by mu
}

// NewQueue starts a queue. told makes the line that tells of dropped ones.
func NewQueue(out io.Writer, told func(dropped int) []byte) *Queue {
	q := &Queue{out: out, told: told, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// Write takes one line. It fails only after Close.
func (q *Queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return 0, io.ErrClosedPipe
	case len(q.waiting)+len(line) > queueBytes:
		q.dropped++
		return len(line), nil
	}
	if q.dropped > 0 {
		q.waiting = append(q.waiting, q.told(q.dropped)...)
		q.dropped = 0
	}
	q.waiting = append(q.waiting, line...)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return len(line), nil
}

// Close writes what waits and ends the queue. After patience it returns
// ErrStuck; the goroutine is then left to the end of the process, because a
// write that hangs cannot be taken back.
func (q *Queue) Close(patience time.Duration) error {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		if q.dropped > 0 {
			q.waiting = append(q.waiting, q.told(q.dropped)...)
		}
		close(q.wake)
	}
	q.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-q.done:
		return nil
	case <-timer.C:
		return ErrStuck
	}
}

func (q *Queue) run() {
	defer close(q.done)
	for range q.wake {
		q.write()
	}
	q.write()
}

// write writes everything that waits. What out refuses is gone: there is no
// other place to say so.
func (q *Queue) write() {
	q.mu.Lock()
	all := q.waiting
	q.waiting, q.spare = q.spare[:0], nil
	q.mu.Unlock()
	for rest := all; len(rest) > 0; {
		n := piece(rest)
		_, _ = q.out.Write(rest[:n])
		rest = rest[n:]
	}
	if cap(all) > keepBytes {
		return
	}
	q.mu.Lock()
	q.spare = all[:0]
	q.mu.Unlock()
}

// piece is how much of lines to write at once: whole ones, at least one.
func piece(lines []byte) int {
	if len(lines) <= pieceBytes {
		return len(lines)
	}
	if end := bytes.LastIndexByte(lines[:pieceBytes], '\n'); end >= 0 {
		return end + 1
	}
	if end := bytes.IndexByte(lines, '\n'); end >= 0 {
		return end + 1
	}
	return len(lines)
}
