package filter

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Whatever the processor can, the result is the same.
func TestFastIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	weights := func(taps, unit int) []int16 {
		w := make([]int16, (taps+unit-1)/unit*unit)
		left := 1 << Bits
		for i := range taps - 1 {
			v := r.IntN(3000) - 700
			w[i], left = int16(v), left-v
		}
		w[taps-1] = int16(max(min(left, 1<<Bits), -1<<Bits))
		return w
	}
	for range 300 {
		n, taps := 1+r.IntN(200), 1+r.IntN(30)
		w := weights(taps, 2)
		rows := make([][]uint8, len(w))
		for j := range rows {
			rows[j] = make([]uint8, n)
			for x := range rows[j] {
				rows[j][x] = uint8(r.IntN(256))
				if r.IntN(4) == 0 {
					rows[j][x] = uint8(255 * r.IntN(2))
				}
			}
		}
		got := make([]int16, n)
		Down(got, rows, w)
		for x, v := range got {
			sum := int32(128)
			for j := range rows {
				sum += int32(w[j]) * int32(rows[j][x])
			}
			if want := min(max(sum>>8, -1<<15), 1<<15-1); int32(v) != want {
				t.Fatalf("down, %d of %d, %d taps: %d, want %d", x, n, taps, v, want)
			}
		}
		src := slices.Concat(got, make([]int16, 64))
		m := 1 + r.IntN(60)
		padded := (taps + Unit - 1) / Unit * Unit
		var ws []int16
		start := make([]int32, m)
		for i := range m {
			ws = append(ws, weights(taps, Unit)...)
			start[i] = int32(r.IntN(n))
		}
		dst := make([]uint8, m)
		Along(dst, src, start, ws, padded)
		for i, v := range dst {
			sum := int32(1 << 19)
			for j := range padded {
				sum += int32(ws[i*padded+j]) * int32(src[int(start[i])+j])
			}
			if want := min(max(sum>>20, 0), 255); int32(v) != want {
				t.Fatalf("along, %d of %d, %d taps: %d, want %d", i, m, taps, v, want)
			}
		}
	}
}

func BenchmarkDown(b *testing.B) {
	rows := make([][]uint8, 12)
	for j := range rows {
		rows[j] = make([]uint8, 2016)
	}
	dst, w := make([]int16, 2016), make([]int16, 12)
	for b.Loop() {
		Down(dst, rows, w)
	}
}

func BenchmarkAlong(b *testing.B) {
	const taps = 16
	src, dst, start, w := make([]int16, 2100), make([]uint8, 1080), make([]int32, 1080), make([]int16, 1080*taps)
	for i := range start {
		start[i] = int32(i * 2016 / 1080)
	}
	for b.Loop() {
		Along(dst, src, start, w, taps)
	}
}
