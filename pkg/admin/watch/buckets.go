package watch

import (
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// buckets are how often something took how long, between two looks.
type buckets struct {
	bounds []float64 // upper ones, in seconds
	counts []float64 // cumulative
	count  float64   // of all, beyond the last bound too
}

// add adds what h grew by since before, which may be nil. A histogram that
// shrank was begun anew: all of it is new.
func (b *buckets) add(h, before *dto.Histogram) {
	if h == nil {
		return
	}
	if before != nil && (before.GetSampleCount() > h.GetSampleCount() || len(before.GetBucket()) != len(h.GetBucket())) {
		before = nil
	}
	if b.bounds == nil {
		for _, k := range h.GetBucket() {
			b.bounds = append(b.bounds, k.GetUpperBound())
		}
		b.counts = make([]float64, len(b.bounds))
	}
	if len(h.GetBucket()) != len(b.bounds) {
		return // other bounds cannot be added to these
	}
	for i, k := range h.GetBucket() {
		b.counts[i] += float64(k.GetCumulativeCount())
		if before != nil {
			b.counts[i] -= float64(before.GetBucket()[i].GetCumulativeCount())
		}
	}
	b.count += float64(h.GetSampleCount())
	if before != nil {
		b.count -= float64(before.GetSampleCount())
	}
}

// quantile is how long the fastest share q took at most, in seconds, as
// PromQL's histogram_quantile has it: evenly spread within a bucket, and at most
// the last finite bound. 0 means that nothing happened.
func (b *buckets) quantile(q float64) float64 {
	if b.count <= 0 || len(b.bounds) == 0 {
		return 0
	}
	rank := q * b.count
	i, _ := slices.BinarySearch(b.counts, rank)
	if i == len(b.bounds) || math.IsInf(b.bounds[i], 1) {
		return b.last()
	}
	low, below := 0.0, 0.0
	if i > 0 {
		low, below = b.bounds[i-1], b.counts[i-1]
	}
	in := b.counts[i] - below
	if in <= 0 {
		return b.bounds[i]
	}
	return low + (b.bounds[i]-low)*(rank-below)/in
}

// last is the greatest finite bound.
func (b *buckets) last() float64 {
	for _, bound := range slices.Backward(b.bounds) {
		if !math.IsInf(bound, 1) {
			return bound
		}
	}
	return 0
}
