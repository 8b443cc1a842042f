package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A series is one figure, measured once in each round.
type series []float64

func (s series) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}

func (s series) low() float64 {
	if len(s) == 0 {
		return 0
	}
	return slices.Min(s)
}

func (s series) high() float64 {
	if len(s) == 0 {
		return 0
	}
	return slices.Max(s)
}

// beside is the series of the rounds' ratios: what was measured next to each
// other is compared with each other. A peer that used nothing that can be counted
// has no ratio.
func (s series) beside(peer series) series {
	var out series
	for i := range min(len(s), len(peer)) {
		if peer[i] > 0 {
			out = append(out, s[i]/peer[i])
		}
	}
	return out
}

// minus is the series of the rounds' differences.
func (s series) minus(other series) series {
	var out series
	for i := range min(len(s), len(other)) {
		out = append(out, s[i]-other[i])
	}
	return out
}

// times is the series with every figure multiplied.
func (s series) times(by float64) series {
	out := make(series, len(s))
	for i, v := range s {
		out[i] = v * by
	}
	return out
}

// String is the median with the lowest and highest, or a dash where nothing was
// measured.
func (s series) String() string {
	switch len(s) {
	case 0:
		return "–"
	case 1:
		return number(s[0])
	}
	return fmt.Sprintf("%s (%s – %s)", number(s.median()), number(s.low()), number(s.high()))
}

// number shows what matters of a figure: three digits or more.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// plain shows a figure that people chose: no digits that they did not, and commas
// between thousands.
func plain(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	for i := strings.IndexByte(s+".", '.') - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// sortedTimes are all of them together.
func sortedTimes(parts [][]time.Duration) []time.Duration {
	all := slices.Concat(parts...)
	slices.Sort(all)
	return all
}

// percentile of sorted durations, in milliseconds.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(float64(len(sorted)-1)*p)].Seconds() * 1e3
}
