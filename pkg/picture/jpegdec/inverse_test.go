package jpegdec

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Whatever the processor can, the samples of whole files are the same, and nothing
// is written beside them.
func TestFastIsExact(t *testing.T) {
	t.Logf("there is a fast way: %v", fast8(new(block), make([]uint8, 64), 8))
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var c block
		for range 1 + r.IntN(64) {
			c[r.IntN(64)] = int32(r.IntN(2<<r.IntN(15))) - 1<<r.IntN(14)
		}
		stride := 8 + r.IntN(20)
		a, b := make([]uint8, 7*stride+8), make([]uint8, 7*stride+8)
		for _, way := range []struct {
			slow func(*block, []uint8, int)
			fast func(*block, []uint8, int) bool
		}{{inverse8, fast8}, {inverse4, fast4}} {
			way.slow(&c, a, stride)
			if way.fast(&c, b, stride) && !slices.Equal(a, b) {
				t.Fatalf("%v\nis\n%v\nrather than\n%v", c[:64], b, a)
			}
		}
	}
}
