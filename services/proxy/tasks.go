package proxy

import (
	"context"
	"net/http"
	"sync"
)

const maxTasks = 32 // fetches that no client waits for

// tasks are what goes on without a client. The service's Close ends it.
type tasks struct {
	ctx    context.Context // of all of them
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu     sync.Mutex // guards the rest, and adding to all
	n      int
	closed bool
}

// run runs f in a goroutine; false: there are enough.
func (t *tasks) run(f func(context.Context)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.n >= maxTasks {
		return false
	}
	t.n++
	t.all.Go(func() {
		defer func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.n--
		}()
		f(t.ctx)
	})
	return true
}

// close ends them and waits.
func (t *tasks) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	t.all.Wait()
}

// refresh fetches anew what x was answered with, for those who come next: RFC 5861,
// section 3. Somebody may be at it.
func (s *Service) refresh(x *exchange) {
	c := x.cache
	if !c.store.lead(c.key) {
		return
	}
	if e, _, _ := c.store.find(c.key, x.out.fields); e != c.stale { // somebody else was faster
		c.store.land(c.key)
		return
	}
	r := x.r.Clone(s.tasks.ctx) // the client's own is gone soon
	r.Method, r.Body = http.MethodGet, http.NoBody
	for _, name := range []string{"Range", "If-Range", "If-None-Match", "If-Modified-Since", "Cache-Control", "Pragma"} {
		delete(r.Header, name)
	}
	y := &exchange{s: s, g: x.g, w: nobody{http.Header{}}, r: r}
	y.cache = &caching{store: c.store, key: c.key, want: directives{noCache: true, maxAge: never}, stale: c.stale, keeps: true, leads: true, forNobody: true}
	err := y.out.prepare(x.g, r, y.asked[:0])
	if err != nil || !s.tasks.run(y.fetch) {
		y.land()
	}
}

// fetch lets the exchange fill the store.
func (x *exchange) fetch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*x.g.cfg.Timeouts.Header)
	defer cancel()
	defer func() {
		// An answer that breaks off has nobody to be broken off for.
		if v := recover(); v != nil && v != http.ErrAbortHandler { //nolint:errorlint // net/http's own way
			panic(v)
		}
	}()
	defer x.end()
	x.r = x.r.WithContext(ctx)
	x.out.in = x.r
	x.ask()
	x.run()
}

// nobody takes an answer.
type nobody struct{ header http.Header }

func (n nobody) Header() http.Header         { return n.header }
func (n nobody) WriteHeader(int)             {}
func (n nobody) Write(p []byte) (int, error) { return len(p), nil }
func (n nobody) Flush()                      {}
