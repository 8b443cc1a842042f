// Package ratelimit refuses what a key (a name, an address) does too often: by a
// token bucket (Limiter) or by a count within a time (Window), in bounded memory,
// what there is too much of at a time (Crowd), and tells who moves too little
// (Meter). Those who share a limit tell each other what they count (Tally, Crowd).
// It does not wait: it says for how long.
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
func (l *Limiter[K]) Allow(key K, now time.Time) bool { return l.Take(key, now) == 0 }

// Take is Allow that says how long it takes until there is a token; 0: one was
// taken.
func (l *Limiter[K]) Take(key K, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key, now)
	if b.tokens >= 1 {
		b.tokens--
	} else {
		wait = l.until(1 - b.tokens)
	}
	l.buckets[key] = b
	return wait
}

// Spend takes n tokens of key, also those that are not there yet, and returns
// after how long they will have been: who waits for as long before the next call
// keeps to the rate, alone or together with others of the same key.
func (l *Limiter[K]) Spend(key K, n int, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key, now)
	b.tokens -= float64(n)
	l.buckets[key] = b
	if b.tokens >= 0 {
		return 0
	}
	return l.until(-b.tokens)
}

// bucket is that of key as it is at now. l.mu is held.
func (l *Limiter[K]) bucket(key K, now time.Time) bucket {
	b, known := l.buckets[key]
	if !known {
		l.makeRoom(now)
		return bucket{l.burst, now}
	}
	b.tokens = l.tokens(b, now)
	if now.After(b.at) {
		b.at = now
	}
	return b
}

// maxWait is what until says at most: beyond it nobody waits.
const maxWait = 24 * time.Hour

// until is how long it takes to refill that many tokens, at least 1 ns.
func (l *Limiter[K]) until(tokens float64) time.Duration {
	if s := tokens / l.rate; s < maxWait.Seconds() {
		return max(time.Duration(s*float64(time.Second)), 1)
	}
	return maxWait // also where the rate is 0
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
