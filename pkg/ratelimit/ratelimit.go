// Package ratelimit refuses what a key (a name, an address) does too often: by a
// token bucket (Limiter) or by a count within a time (Window), in bounded memory.
// It does not wait: a call is allowed or it is not.
package ratelimit

import (
	"sync"
	"time"
)

// A Limiter allows each key rate events a second, and bursts. It is safe for
// concurrent use.
type Limiter[K comparable] struct {
	rate  float64
	burst float64
	max   int

	mu      sync.Mutex // guards buckets
	buckets map[K]bucket
}

// bucket holds the tokens that were left at a time. A key without a bucket has
// a full one.
type bucket struct {
	tokens float64
	at     time.Time
}

// New makes a limiter that allows rate events a second for each key, burst at
// once (at least 1), and remembers at most keys keys (at least 1). Where more
// are active at the same time, some of them start afresh: a flood of keys
// weakens the limit, it does not cost memory or shut others out.
func New[K comparable](rate float64, burst, keys int) *Limiter[K] {
	return &Limiter[K]{
		rate:    max(rate, 0),
		burst:   float64(max(burst, 1)),
		max:     max(keys, 1),
		buckets: map[K]bucket{},
	}
}

// Allow takes a token of key, if there is one. Times should not go back; where
// they do, nothing is refilled.
func (l *Limiter[K]) Allow(key K, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[key]
	if !known {
		l.makeRoom(now)
		b = bucket{l.burst, now}
	}
	b.tokens = l.tokens(b, now)
	if now.After(b.at) {
		b.at = now
	}
	ok := b.tokens >= 1
	if ok {
		b.tokens--
	}
	l.buckets[key] = b
	return ok
}

// tokens is what b has at now.
func (l *Limiter[K]) tokens(b bucket, now time.Time) float64 {
	return min(l.burst, b.tokens+l.rate*max(now.Sub(b.at).Seconds(), 0))
}

// makeRoom forgets full buckets, which say nothing, and if that is not enough
// an eighth of the others, so that the next calls need not search again.
func (l *Limiter[K]) makeRoom(now time.Time) {
	if len(l.buckets) < l.max {
		return
	}
	for k, b := range l.buckets {
		if l.tokens(b, now) >= l.burst {
			delete(l.buckets, k)
		}
	}
	for k := range l.buckets {
		if len(l.buckets) <= l.max*7/8 {
			return
		}
		delete(l.buckets, k)
	}
}

// Len is the number of keys that are remembered.
func (l *Limiter[K]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.buckets)
}
