package soak_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A measure is something of the daemon that must not grow.
type measure struct {
	name  string
	of    func(sample) float64
	slack float64 // by which the last third may be above the second, beside a tenth
	rise  float64 // of the line through the second half of a long run, beside the noise
}

var measures = []measure{
	{"resident memory, MiB", func(s sample) float64 { return s.memory / (1 << 20) }, 24, 4},
	{"goroutines", func(s sample) float64 { return s.goroutines }, 40, 10},
	{"descriptors", func(s sample) float64 { return s.descriptors }, 40, 10},
}

// A run is long from here on: what is built up at its beginning, caches and pools,
// is no part of its second half, and a line through that tells a leak from noise.
const long = 10 * time.Minute

// windows is how many parts the line goes through, by the median of each: noise
// that lasts for less than a part is gone there.
const windows = 8

// A verdict is what was found of one measure.
type verdict struct {
	measure
	early, late float64 // medians of the second third and of the last
	rise        float64 // of the line from the middle to the end; only of a long run
	noise       float64 // how far parts are from the line, the median
	hourly      float64 // rise in an hour
	wrong       string  // empty where it did not grow
}

// judge looks whether a measure grows: of any run the last third must not be above
// the second by more than a tenth and slack, of a long one the line through the
// second half must not rise by more than a fixed amount and the noise. So the
// longer a run is, the slower are the leaks that fail it.
func (m measure) judge(samples []sample) (v verdict) {
	n := len(samples)
	v = verdict{measure: m, early: median(values(samples[n/3:n*2/3], m.of)), late: median(values(samples[n*2/3:], m.of))}
	if v.late > v.early*1.1+m.slack {
		v.wrong = fmt.Sprintf("%s grow: %.0f in the second third, %.0f in the last", m.name, v.early, v.late)
	}
	half := samples[n/2:]
	if took := half[len(half)-1].at - half[0].at; samples[n-1].at >= long {
		v.rise, v.noise = line(values(half, m.of))
		v.hourly = v.rise / took.Hours()
		if most := m.rise + v.noise; v.rise > most && v.wrong == "" {
			v.wrong = fmt.Sprintf("%s grow: by %.1f in the second half, %.1f an hour; at most %.1f is noise", m.name, v.rise, v.hourly, most)
		}
	}
	return v
}

// line puts a line through a series, by Theil and Sen: its slope is the median of
// the slopes between any two parts, which a few that stand out do not bend. rise is
// that of the line over the whole series, noise the median distance from it.
func line(series []float64) (rise, noise float64) {
	parts := make([]float64, windows)
	for i := range parts {
		parts[i] = median(series[len(series)*i/windows : len(series)*(i+1)/windows])
	}
	var slopes []float64
	for i := range parts {
		for k := range i {
			slopes = append(slopes, (parts[i]-parts[k])/float64(i-k))
		}
	}
	slope := median(slopes)
	level := make([]float64, windows)
	for i, p := range parts {
		level[i] = p - slope*float64(i)
	}
	base := median(level)
	for i := range level {
		level[i] = math.Abs(level[i] - base)
	}
	return slope * windows, median(level)
}

func values(samples []sample, of func(sample) float64) []float64 {
	all := make([]float64, len(samples))
	for i, s := range samples {
		all[i] = of(s)
	}
	return all
}

func median(all []float64) float64 {
	all = slices.Clone(all)
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// A course is how memory, in MiB, goes over a run: at a time, and how far the run
// is, from 0 to 1.
type course func(at time.Duration, part float64, r *rand.Rand) float64

func (c course) samples(lasts time.Duration, seed uint64) []sample {
	r := rand.New(rand.NewPCG(seed, 1))
	step := max(lasts/3600, min(time.Second, lasts/12))
	var all []sample
	for at := step; at <= lasts; at += step {
		all = append(all, sample{at: at, memory: c(at, float64(at)/float64(lasts), r) * (1 << 20)})
	}
	return all
}

// TestJudge judges runs whose growth is known.
func TestJudge(t *testing.T) {
	leak := func(hourly, noise float64) course {
		return func(at time.Duration, _ float64, r *rand.Rand) float64 {
			return 60 + hourly*at.Hours() + noise*r.NormFloat64()
		}
	}
	filling := func(at time.Duration, _ float64, r *rand.Rand) float64 { // caches, in the first minutes
		return 70 - 30*math.Exp(-at.Minutes()/3) + 2*r.NormFloat64()
	}
	saw := func(at time.Duration, _ float64, r *rand.Rand) float64 { // garbage, collected every 100 s
		return 55 + 15*math.Mod(at.Seconds(), 100)/100 + r.Float64()
	}
	waves := func(at time.Duration, _ float64, r *rand.Rand) float64 { // what users do, in a rhythm of 20 minutes
		return 60 + 4*math.Sin(at.Minutes()/20*2*math.Pi) + r.NormFloat64()
	}
	peaks := func(_ time.Duration, _ float64, r *rand.Rand) float64 { // pictures of 50 MiB, now and then
		if r.IntN(20) == 0 {
			return 110
		}
		return 60 + r.NormFloat64()
	}
	steps := func(at time.Duration, _ float64, r *rand.Rand) float64 {
		return 60 + 2*math.Floor(at.Minutes()/10) + r.NormFloat64()
	}
	late := func(_ time.Duration, part float64, r *rand.Rand) float64 { // all is well for a long time
		return 60 + max(0, part-0.6)*100 + r.NormFloat64()
	}
	for _, c := range []struct {
		name  string
		lasts time.Duration
		of    course
		grows bool
	}{
		{"flat", time.Hour, leak(0, 2), false},
		{"flat and noisy", time.Hour, leak(0, 8), false},
		{"shrinking", time.Hour, leak(-20, 2), false},
		{"filling caches", time.Hour, filling, false},
		{"garbage", time.Hour, saw, false},
		{"waves", 2 * time.Hour, waves, false},
		{"peaks", time.Hour, peaks, false},
		{"a day, flat", 24 * time.Hour, leak(0, 4), false},
		{"a minute that fills caches", time.Minute, func(at time.Duration, _ float64, _ *rand.Rand) float64 { return 50 + at.Seconds()/4 }, false},
		{"12 s", 12 * time.Second, leak(3600, 1), false},
		{"12 MiB an hour", time.Hour, leak(12, 2), true},
		{"16 MiB an hour, noisy", time.Hour, leak(16, 5), true},
		{"1 MiB an hour, for a day", 24 * time.Hour, leak(1, 4), true},
		{"garbage, and 16 MiB an hour", time.Hour, func(at time.Duration, p float64, r *rand.Rand) float64 { return saw(at, p, r) + 16*at.Hours() }, true},
		{"peaks, and 16 MiB an hour", time.Hour, func(at time.Duration, p float64, r *rand.Rand) float64 { return peaks(at, p, r) + 16*at.Hours() }, true},
		{"steps", time.Hour, steps, true},
		{"a leak that begins late", time.Hour, late, true},
		{"a minute of a large leak", time.Minute, func(at time.Duration, _ float64, _ *rand.Rand) float64 { return 50 + 2*at.Seconds() }, true},
	} {
		for seed := range uint64(20) {
			if v := measures[0].judge(c.of.samples(c.lasts, seed)); (v.wrong != "") != c.grows {
				t.Errorf("%s, seed %d: %q; it rises by %.2f, noise %.2f", c.name, seed, v.wrong, v.rise, v.noise)
			}
		}
	}
}
