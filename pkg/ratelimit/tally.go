package ratelimit

import "sync"

// A Tally counts by key what others have to be told of that count too. It keeps a
// bounded number of keys: of more at a time nobody is told, and the limit is weaker.
// A nil Tally counts nothing. It may be used concurrently.
type Tally[K comparable] struct {
	most int

	mu     sync.Mutex
	counts map[K]int // guarded by mu
}

// NewTally keeps at most so many keys between two calls of Take.
func NewTally[K comparable](most int) *Tally[K] { return &Tally[K]{most: most} }

// Add counts an event of key.
func (t *Tally[K]) Add(key K) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.counts[key]; !known && len(t.counts) >= t.most {
		return
	}
	if t.counts == nil {
		t.counts = map[K]int{}
	}
	t.counts[key]++
}

// Take returns the counts since it was called last; they are the caller's.
func (t *Tally[K]) Take() map[K]int {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := t.counts
	t.counts = nil
	return counts
}
