package proxy

import (
	"context"
	"hash/maphash"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

const (
	maxVariants  = 16      // of a resource, by Vary
	maxVary      = 4 << 10 // bytes that requests may say about what an answer depends on
	maxCacheKey  = 8 << 10 // bytes
	maxWaiters   = 256     // for one fetch
	perStored    = 512     // bytes that an answer costs beside what it holds
	passTime     = 10 * time.Second
	storeBuckets = 1 << 10
)

// A stored is an answer in memory. It is never changed.
type stored struct {
	status   int
	fields   fields // as the upstream sent them, without what is not kept
	body     []byte
	vary     []field // what the request said that the answer depends on
	asked    directives
	lifetime time.Duration
	born     time.Time // when it would have had age 0
}

func (e *stored) weight() int {
	n := perStored + len(e.body)
	return n + sizeOf(e.fields) + sizeOf(e.vary)
}

// sizeOf is what lines take of memory.
func sizeOf(lines []field) (n int) {
	for _, f := range lines {
		n += len(f.name) + len(f.value) + 32
	}
	return n
}

func (e *stored) age(now time.Time) time.Duration { return max(0, now.Sub(e.born)) }

// ttl is how long it is fresh yet; negative: for how long it was not.
func (e *stored) ttl(now time.Time) time.Duration { return e.lifetime - e.age(now) }

// matches reports whether a request with header f gets this variant.
func (e *stored) matches(f fields) bool {
	return !slices.ContainsFunc(e.vary, func(v field) bool { return f.list(v.name) != v.value })
}

// open reports whether requests of people who have authorized themselves may get
// it: RFC 9111, section 3.5.
func (e *stored) open() bool {
	return e.asked.public || e.asked.sMaxAge != never || e.asked.mustRevalidate
}

// good reports whether a request may get it without asking the upstream: RFC 9111,
// sections 4.2 and 5.2.1.
func (e *stored) good(now time.Time, want directives) bool {
	ttl := e.ttl(now)
	switch {
	case e.asked.noCache || want.noCache:
		return false
	case want.maxAge != never && e.age(now) > want.maxAge, want.minFresh != never && ttl < want.minFresh:
		return false
	case ttl > 0:
		return true
	}
	return want.maxStale != never && -ttl <= want.maxStale && !e.asked.mustRevalidate && e.asked.sMaxAge == never
}

// within reports whether it may be used so long after it was fresh.
func (e *stored) within(now time.Time, grace time.Duration) bool {
	return grace != never && -e.ttl(now) <= grace && !e.asked.mustRevalidate && !e.asked.noCache
}

// A resource is what is known of a key: answers, or that asking together is in
// vain. It is never changed.
type resource struct {
	variants []*stored // the latest first
	pass     time.Time // until then nobody waits for another's answer
}

// A store is the answers of a service, in memory. A quarter of its size is for
// answers that are on their way in.
type store struct {
	cache    *otter.Cache[string, *resource]
	arriving atomic.Int64 // bytes
	size     atomic.Int64
	seed     maphash.Seed

	mu      sync.Mutex // guards the rest, and changes of cache
	flights map[string]*flight
	// marks count, by hash of the key, how often something was forgotten: an
	// answer that was on its way meanwhile is out of date.
	marks [storeBuckets]uint64
}

func newStore(size int64) *store {
	s := &store{flights: map[string]*flight{}, seed: maphash.MakeSeed()}
	s.cache = otter.Must(&otter.Options[string, *resource]{
		MaximumWeight: 1, // until resize
		Weigher:       weigh,
		Executor:      func(f func()) { f() }, // so that the bound holds at any time
	})
	s.resize(size)
	return s
}

func weigh(key string, r *resource) uint32 {
	n := perStored + len(key)
	for _, e := range r.variants {
		n += e.weight()
	}
	return uint32(min(n, 1<<31))
}

// resize makes size, in bytes, the bound.
func (s *store) resize(size int64) {
	s.size.Store(size)
	s.cache.SetMaximum(uint64(size - size/4))
}

// find returns the variant that a request with header f gets, or nil; known tells
// whether there are others, and alone whether waiting for another's is in vain.
func (s *store) find(key string, f fields) (e *stored, known, alone bool) {
	r, _ := s.cache.GetIfPresent(key)
	if r == nil {
		return nil, false, false
	}
	for _, e := range r.variants {
		if e.matches(f) {
			return e, true, false
		}
	}
	return nil, len(r.variants) > 0, time.Now().Before(r.pass)
}

func (s *store) mark(key string) *uint64 {
	return &s.marks[maphash.String(s.seed, key)%storeBuckets]
}

// begin is to be called before the upstream is asked for what put may keep.
func (s *store) begin(key string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.mark(key)
}

// put keeps e, unless what was under key was forgotten since begin.
func (s *store) put(key string, e *stored, begun uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *s.mark(key) != begun {
		return
	}
	variants := []*stored{e}
	if old, _ := s.cache.GetIfPresent(key); old != nil {
		for _, o := range old.variants {
			if len(variants) < maxVariants && !slices.Equal(o.vary, e.vary) {
				variants = append(variants, o)
			}
		}
	}
	s.cache.Set(key, &resource{variants: variants})
}

// pass notes that answers to key are not kept. What was kept before stays.
func (s *store) pass(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &resource{pass: time.Now().Add(passTime)}
	if old, _ := s.cache.GetIfPresent(key); old != nil {
		r.variants = old.variants
	}
	s.cache.Set(key, r)
}

// forget drops what is kept under key, and what is on its way there.
func (s *store) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.mark(key)++
	s.cache.Invalidate(key)
}

// A flight is a fetch that others wait for.
type flight struct {
	done    chan struct{}
	waiters int // guarded by the store's mutex
}

// join returns the flight of a key, and whether the caller leads it, which means
// that it must call land. nil: too many wait already.
func (s *store) join(key string) (f *flight, leads bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f = s.flights[key]; f == nil {
		f = &flight{done: make(chan struct{})}
		s.flights[key] = f
		return f, true
	}
	if f.waiters >= maxWaiters {
		return nil, false
	}
	f.waiters++
	return f, false
}

// lead is join for who does not wait; false: somebody leads already.
func (s *store) lead(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flights[key] != nil {
		return false
	}
	s.flights[key] = &flight{done: make(chan struct{})}
	return true
}

// land ends a flight: those who wait look again.
func (s *store) land(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[key]; f != nil {
		delete(s.flights, key)
		close(f.done)
	}
}

// wait waits for a flight, at most for limit.
func (f *flight) wait(ctx context.Context, limit time.Duration) {
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-f.done:
	case <-late.C:
	case <-ctx.Done():
	}
}

// A fill is an answer on its way into the store.
type fill struct {
	store *store
	key   string
	begun uint64
	limit int64 // bytes of the body
	e     *stored
	took  int64 // of the store's room for what arrives
	over  bool  // it became too much
}

// write notes a part of the body; false: it became too much.
func (f *fill) write(b []byte) bool {
	need, room := int64(len(f.e.body)+len(b)), int64(cap(f.e.body))
	if need > f.limit || need > room && !f.grow(max(need, min(2*room, f.limit))) {
		f.store.arriving.Add(-f.took) // at once: the client may take long for the rest
		f.over, f.took, f.e.body = true, 0, nil
		return false
	}
	f.e.body = append(f.e.body, b...)
	return true
}

// grow makes room for a body of size bytes; false: too much is arriving.
func (f *fill) grow(size int64) bool {
	more := size - f.took
	f.took = size
	if f.store.arriving.Add(more) > f.store.size.Load()/4 {
		return false
	}
	f.e.body = append(make([]byte, 0, size), f.e.body...)
	return true
}

// end keeps the answer, if it is whole.
func (f *fill) end(whole bool) {
	f.store.arriving.Add(-f.took)
	if whole && !f.over {
		if spare := cap(f.e.body) - len(f.e.body); spare > len(f.e.body)/8 {
			f.e.body = slices.Clone(f.e.body) // what is kept must not take more than it counts
		}
		f.store.put(f.key, f.e, f.begun)
	}
}

// storableStatuses are those of whole answers that depend on nothing but what the
// key holds. An error that one client can provoke is not for all.
var storableStatuses = []int{200, 203, 204, 300, 301, 302, 307, 308, 404, 410}

// storable makes an answer that may be kept of a's head: RFC 9111, section 3. f is
// the header of the request, asked when it was sent and now when the answer came.
// nil: it may not be kept.
func storable(a *answer, f fields, asked, now time.Time) *stored {
	e := &stored{status: a.status, asked: parseDirectives(a.fields.list("Cache-Control"))}
	switch {
	case !slices.Contains(storableStatuses, a.status), a.res != nil && len(a.res.Trailer) > 0:
		return nil
	case e.asked.noStore, e.asked.private, a.fields.has("Set-Cookie"), a.fields.has("Content-Range"),
		mediaType(a.fields.get("Content-Type")) == eventStream:
		return nil
	case f.has("Authorization") && !e.open():
		return nil
	}
	explicit := e.freshness(a.fields, asked, now) || e.asked.noCache
	if !explicit || e.lifetime <= 0 && !a.fields.has("Etag") && !a.fields.has("Last-Modified") {
		return nil
	}
	for name := range strings.SplitSeq(a.fields.list("Vary"), ",") {
		if name = http.CanonicalHeaderKey(strings.Trim(name, " \t")); name == "*" {
			return nil
		} else if name != "" {
			e.vary = append(e.vary, field{name, f.list(name)})
		}
	}
	if sizeOf(e.vary) > maxVary {
		return nil
	}
	for _, l := range a.fields {
		switch l.name {
		case "Age", "Cache-Status", "X-Request-Id", "Content-Length":
			// they are this cache's to say, or the request's
		default:
			e.fields = append(e.fields, l)
		}
	}
	if !a.fields.has("Date") {
		e.fields.add("Date", now.UTC().Format(http.TimeFormat)) // when it came, not when it is given again
	}
	return e
}

// freshness works out how long the answer is good, and how old it was when it
// came: RFC 9111, sections 4.2.1 and 4.2.3. false: the upstream does not say.
func (e *stored) freshness(f fields, asked, now time.Time) (explicit bool) {
	date, err := http.ParseTime(f.get("Date"))
	if err != nil {
		date = now
	}
	age, _, _ := strings.Cut(f.get("Age"), ",")
	e.born = now.Add(-max(0, now.Sub(date), parseSeconds(strings.Trim(age, " \t"))+now.Sub(asked)))
	if date == now {
		e.born = asked.Add(-parseSeconds(strings.Trim(age, " \t")))
	}
	switch {
	case e.asked.sMaxAge != never:
		e.lifetime = e.asked.sMaxAge
	case e.asked.maxAge != never:
		e.lifetime = e.asked.maxAge
	case f.has("Expires"):
		e.lifetime = 0
		if expires, err := http.ParseTime(f.get("Expires")); err == nil {
			e.lifetime = max(0, expires.Sub(date))
		}
	default:
		return false
	}
	return true
}

// refreshed is e after the upstream said, by a 304, that it is good still: RFC
// 9111, section 4.3.4. nil: it may not be kept any more.
func (e *stored) refreshed(a *answer, f fields, asked, now time.Time) *stored {
	next := &answer{head: head{status: e.status, fields: slices.Clone(e.fields)}}
	for i, l := range a.fields {
		switch l.name {
		case "Content-Length", "Content-Encoding", "Content-Type", "Content-Range":
			continue // of a body that is not there
		}
		if !slices.ContainsFunc(a.fields[:i], func(o field) bool { return o.name == l.name }) {
			next.fields.del(l.name)
		}
		next.fields = append(next.fields, l)
	}
	n := storable(next, f, asked, now)
	if n != nil {
		n.body = e.body
	}
	return n
}
