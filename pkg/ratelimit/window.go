package ratelimit

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// A Window allows a number of events per key within a length of time that
// slides: an event counts until it is that old. It may be used concurrently.
//
// Memory is bounded: at most MaxKeys keys are kept, of 2*limit times each; beyond
// that the key that was used least recently is forgotten, so that somebody with
// very many keys (addresses) can make room, but costs no memory.
type Window[K comparable] struct {
	length time.Duration
	keys   int

	mu    sync.Mutex
	limit int                 // guarded by mu
	byKey map[K]*list.Element // guarded by mu; values are *entry[K]
	order *list.List          // guarded by mu; most recently used first
}

// MaxKeys is how many keys a Window keeps.
const MaxKeys = 10_000

type entry[K comparable] struct {
	key   K
	times []time.Time // ascending, at most twice the limit
}

// NewWindow allows limit events per key within length. Both must be positive.
func NewWindow[K comparable](limit int, length time.Duration) *Window[K] {
	return &Window[K]{
		limit: limit, length: length, keys: MaxKeys,
		byKey: map[K]*list.Element{}, order: list.New(),
	}
}

// SetLimit changes the limit, which must be positive; what was counted stays.
func (w *Window[K]) SetLimit(limit int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = limit
}

// Take counts an event of key and returns 0, or, where that is too much, counts
// nothing and returns after how long it would be allowed.
func (w *Window[K]) Take(key K) (wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	e := w.entry(key, now)
	if n := len(e.times); n >= w.limit {
		return max(e.times[n-w.limit].Add(w.length).Sub(now), 1)
	}
	e.times = append(e.times, now)
	return 0
}

// Count counts an event of key that happened elsewhere, whether it is too much or
// not.
func (w *Window[K]) Count(key K) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	e := w.entry(key, now)
	// Some more than the limit, because what was taken may be given back.
	if n := len(e.times) - 2*w.limit; n >= 0 {
		e.times = append(e.times[:0], e.times[n+1:]...)
	}
	e.times = append(e.times, now)
}

// Forget gives back the last event of key: what it was taken for did not count
// in the end.
func (w *Window[K]) Forget(key K) {
	w.mu.Lock()
	defer w.mu.Unlock()
	el, ok := w.byKey[key]
	if !ok {
		return
	}
	e := el.Value.(*entry[K])
	if len(e.times) > 0 {
		e.times = e.times[:len(e.times)-1]
	}
	if len(e.times) == 0 {
		w.drop(el)
	}
}

// entry returns the entry of key without what is too old, and makes it the most
// recently used.
func (w *Window[K]) entry(key K, now time.Time) *entry[K] {
	w.expire(now)
	if el, ok := w.byKey[key]; ok {
		w.order.MoveToFront(el)
		e := el.Value.(*entry[K])
		n := 0
		for n < len(e.times) && now.Sub(e.times[n]) >= w.length {
			n++
		}
		e.times = append(e.times[:0], e.times[n:]...)
		return e
	}
	for len(w.byKey) >= w.keys {
		w.drop(w.order.Back())
	}
	e := &entry[K]{key: key}
	w.byKey[key] = w.order.PushFront(e)
	return e
}

// expire drops keys whose last event is too old, a few at a time.
func (w *Window[K]) expire(now time.Time) {
	for range 4 {
		el := w.order.Back()
		if el == nil {
			return
		}
		times := el.Value.(*entry[K]).times
		if n := len(times); n > 0 && now.Sub(times[n-1]) < w.length {
			return
		}
		w.drop(el)
	}
}

func (w *Window[K]) drop(el *list.Element) {
	delete(w.byKey, el.Value.(*entry[K]).key)
	w.order.Remove(el)
}

// Prefix is what an address counts as: itself, or its /64 for IPv6, because
// that is what one customer gets.
func Prefix(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.WithZone("").Prefix(bits) // the zero Addr is the zero Prefix
	return p
}
