package filter

import "golang.org/x/sys/cpu"

// down does as much of Down as there is a fast way for, and returns how much.
func down(dst []int16, rows [][]uint8, weights []int16) int {
	n := len(dst) &^ 15
	if n == 0 || !cpu.X86.HasAVX2 || len(weights) == 0 || len(weights)&1 != 0 || len(rows) < len(weights) {
		return 0
	}
	for _, r := range rows {
		_ = r[len(dst)-1]
	}
	downAVX2(&dst[0], &rows[0], &weights[0], len(weights), n)
	return n
}

// along is the same for Along.
func along(dst []uint8, src []int16, start []int32, weights []int16, taps int) int {
	n := len(dst) &^ 3
	if n == 0 || !cpu.X86.HasAVX2 || taps%Unit != 0 || len(start) < n || len(weights) < n*taps {
		return 0
	}
	for _, s := range start[:n] {
		_ = src[s : int(s)+taps]
	}
	alongAVX2(&dst[0], &src[0], &start[0], &weights[0], taps, n)
	return n
}

// n is a multiple of 16, taps of 2. rows are slices, 24 bytes each.
//
//go:noescape
func downAVX2(dst *int16, rows *[]uint8, weights *int16, taps, n int)

// n is a multiple of 4, taps of 8.
//
//go:noescape
func alongAVX2(dst *uint8, src *int16, start *int32, weights *int16, taps, n int)
