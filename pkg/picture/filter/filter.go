// Package filter has the two inner loops of resizing a plane of samples, in
// integers: over rows, then along a row; with AVX2 where the processor has it.
// It does not know where weights come from, and does not check them.
package filter

// Weights have Bits behind the point; their sum is 1 << Bits. Between the two
// loops samples have mid bits behind it.
const (
	Bits = 14
	mid  = 6
)

// Unit is what the number of weights of Along is a multiple of, so that as many
// can be multiplied together; those that are too many are zero. Behind the
// samples that Along reads are as many more.
const Unit = 8

// Down makes dst of rows: each sample the sum of weights[j] * rows[j] there. All
// rows are at least as long as dst. There is an even number of weights.
func Down(dst []int16, rows [][]uint8, weights []int16) {
	n := down(dst, rows, weights)
	if n == len(dst) {
		return
	}
	var acc [64]int32
	for ; n < len(dst); n += len(acc) {
		a := acc[:min(len(acc), len(dst)-n)]
		for x := range a {
			a[x] = 1 << (Bits - mid - 1)
		}
		for j, w := range weights {
			row, w := rows[j][n:][:len(a)], int32(w)
			if w == 0 {
				continue
			}
			for x := range a {
				a[x] += w * int32(row[x])
			}
		}
		for x, v := range a {
			dst[n+x] = int16(min(max(v>>(Bits-mid), -1<<15), 1<<15-1))
		}
	}
}

// Along makes dst of one row: sample i is the sum of weights[i*taps+j] *
// src[start[i]+j], rounded to a byte.
func Along(dst []uint8, src []int16, start []int32, weights []int16, taps int) {
	for i := along(dst, src, start, weights, taps); i < len(dst); i++ {
		w := weights[i*taps:][:taps]
		s := src[start[i]:][:len(w)]
		sum := int32(1 << (Bits + mid - 1))
		for j := range w {
			sum += int32(w[j]) * int32(s[j])
		}
		dst[i] = uint8(min(max(sum>>(Bits+mid), 0), 255))
	}
}
