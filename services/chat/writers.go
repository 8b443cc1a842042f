package chat

import (
	"runtime"
	"sync"
)

// writersTake is how many sessions a writer takes at a time.
const writersTake = 16

// writers write for sessions to which something was pushed, without waiting for
// any client: a few goroutines that live while there is something to do, so
// that an event for thousands costs neither thousands of goroutines nor
// thousands of wake-ups. A session is in it once, whatever was pushed: what comes
// while it waits for its turn goes out in the same write.
type writers struct {
	slow sync.WaitGroup // those that wait for their clients

	mu      sync.Mutex
	corked  bool       // guarded by mu
	held    []*session // while corked; guarded by mu
	due     []*session // guarded by mu
	running int        // guarded by mu
}

// add queues a session. Its lock is held.
func (w *writers) add(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.corked {
		w.held = append(w.held, s)
		return
	}
	w.due = append(w.due, s)
	w.wake()
}

// cork holds everybody back until uncork, so that all of what is being handed out
// goes to a session at once. Only the hub does that, and not for long.
func (w *writers) cork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = true
}

func (w *writers) uncork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = false
	if len(w.due) == 0 {
		w.due, w.held = w.held, w.due
	} else {
		w.due = append(w.due, w.held...)
	}
	clear(w.held)
	w.held = w.held[:0]
	w.wake()
}

// wake needs mu.
func (w *writers) wake() {
	for n := min(runtime.GOMAXPROCS(0), (len(w.due)+writersTake-1)/writersTake); w.running < n; w.running++ {
		w.slow.Go(w.run)
	}
}

func (w *writers) run() {
	var mine [writersTake]*session
	for {
		w.mu.Lock()
		n := copy(mine[:], w.due)
		clear(w.due[:n])
		if w.due = w.due[n:]; n == 0 {
			w.due = nil
			w.running--
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		for i, s := range mine[:n] {
			s.flush(false)
			mine[i] = nil
		}
		runtime.Gosched() // the scheduler is not told of writes, see ws_now_linux.go
	}
}

// aside runs what may wait for a client.
func (w *writers) aside(f func()) { w.slow.Go(f) }

// wait returns when nobody writes any more. All sessions must have ended.
func (w *writers) wait() { w.slow.Wait() }
