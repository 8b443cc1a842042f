package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// body is the body of a request on its way to an upstream. The transport may
// read it for longer than the handler runs, and closes it before it is read;
// neither concerns the client's body.
type body struct {
	io.ReadCloser
	watch *watch

	closed  atomic.Bool // the handler has returned
	touched atomic.Bool // something was read
	done    atomic.Bool // read to its end

	mu  sync.Mutex
	err error // of the client
}

var errHandlerGone = errors.New("the request has ended")

func (b *body) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, errHandlerGone
	}
	b.touched.Store(true)
	n, err := b.ReadCloser.Read(p)
	b.watch.touch()
	if err != nil {
		b.done.Store(true)
		b.watch.rest()     // now the upstream is at work, and the header timeout runs
		if err != io.EOF { //nolint:errorlint // io.Reader's contract
			b.mu.Lock()
			b.err = err
			b.mu.Unlock()
		}
	}
	return n, err
}

// Close is the transport's.
func (b *body) Close() error { return nil }

// failure is why the client's body could not be read to its end.
func (b *body) failure() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// end keeps the transport from reading on when the handler returns.
func (b *body) end() {
	if b != nil {
		b.closed.Store(true)
	}
}

// untouched reports whether the whole body can still be sent.
func (b *body) untouched() bool { return b == nil || !b.touched.Load() }

// interruptReads has reads of the request's body fail when ctx ends: one that waits
// for the client does not look at a context. stop must be called before the handler
// returns; from then on w is left alone.
func interruptReads(ctx context.Context, w http.ResponseWriter) (stop func()) {
	var mu sync.Mutex
	stopped := false
	unhook := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		}
	})
	return func() {
		unhook()
		mu.Lock()
		defer mu.Unlock()
		stopped = true
	}
}

// A watch ends what makes no progress for an idle time. It looks four times in
// that time.
type watch struct {
	idle  time.Duration
	end   func()
	moved atomic.Bool // since the last look

	mu      sync.Mutex // guards the rest
	timer   *time.Timer
	resting bool
	always  bool // no more rest
	since   time.Time
}

func newWatch(idle time.Duration, end func()) *watch {
	w := &watch{idle: idle, end: end, since: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.pause(), w.look)
	return w
}

func (w *watch) pause() time.Duration { return max(w.idle/4, time.Millisecond) }

// touch notes progress.
func (w *watch) touch() {
	if w != nil {
		w.moved.Store(true)
	}
}

// rest says that no progress is expected until wake.
func (w *watch) rest() { w.set(true, false) }

func (w *watch) wake() { w.set(false, false) }

// stayAwake says that progress is expected to the end.
func (w *watch) stayAwake() { w.set(false, true) }

func (w *watch) set(resting, always bool) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.always = w.always || always
	w.resting, w.since = resting && !w.always, time.Now()
}

func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return
	}
	now := time.Now()
	if w.moved.Swap(false) || w.resting {
		w.since = now
	} else if now.Sub(w.since) >= w.idle {
		w.end()
		return
	}
	w.timer.Reset(w.pause())
}

func (w *watch) stop() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.timer = nil
}
