package nats

import (
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what waits to be sent. What comes when there is no place is dropped,
// and what has waited for long, because the others have read the store by then.
const (
	maxOut      = 8192
	maxOutBytes = 16 << 20
	maxOutAge   = 5 * time.Second
	lookEvery   = 50 * time.Millisecond // whether the bus is back
)

type message struct {
	subject string
	data    []byte
	at      time.Time
}

// An outbox keeps Publish from blocking: the library writes to its socket in the
// caller's goroutine when its buffer is full.
type outbox struct {
	send       func(message) (done bool)
	wake, done chan struct{}
	late       atomic.Uint64

	mu      sync.Mutex
	waiting []message // guarded by mu
	bytes   int       // of waiting, and of what is being sent; guarded by mu
	count   int       // likewise; guarded by mu
	until   time.Time // when sending ends; zero: not closed; guarded by mu
}

func newOutbox(send func(message) bool) *outbox {
	o := &outbox{send: send, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go o.run()
	return o
}

func (o *outbox) put(subject string, data []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count >= maxOut || o.bytes+len(data) > maxOutBytes || !o.until.IsZero() {
		return false
	}
	o.waiting = append(o.waiting, message{subject, data, time.Now()})
	o.count++
	o.bytes += len(data)
	o.poke()
	return true
}

func (o *outbox) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// close waits until all was sent, at most as long as is said.
func (o *outbox) close(within time.Duration) {
	o.mu.Lock()
	if o.until.IsZero() {
		o.until = time.Now().Add(within)
	}
	o.mu.Unlock()
	o.poke()
	<-o.done
}

func (o *outbox) run() {
	defer close(o.done)
	for {
		<-o.wake
		o.mu.Lock()
		batch, closed := o.waiting, !o.until.IsZero()
		o.waiting = nil
		o.mu.Unlock()
		for _, m := range batch {
			o.one(m)
		}
		if closed {
			return // nothing came since
		}
	}
}

// one sends a message as soon as the bus is there, unless that takes too long.
func (o *outbox) one(m message) {
	for !o.send(m) {
		o.mu.Lock()
		until := o.until
		o.mu.Unlock()
		if now := time.Now(); now.Sub(m.at) > maxOutAge || !until.IsZero() && now.After(until) {
			o.late.Add(1)
			o.forget(m)
			return
		}
		time.Sleep(lookEvery)
	}
	o.forget(m)
}

func (o *outbox) forget(m message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count--
	o.bytes -= len(m.data)
}
